import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetnsHandle } from '../../src/sync.ts'
import { needsRoot, ownNetns } from '../tools/netns.ts'
import { type AnyDevice, type Api, formsHere } from './forms.ts'

// What a program in plain JavaScript may pass, whatever the types say.
const wrong = (value: unknown) => value as never

type Change = (a: AnyDevice, api: Api, netns: NetnsHandle) => unknown

const NO_MTU = { name: /^(TypeError|RangeError)$/ }

const CHANGES: readonly [words: string, work: Change, error: { name: string | RegExp; message?: RegExp }][] =
  [
    [
      'a new name of 16 bytes',
      a => a.rename('x'.repeat(16)),
      { name: 'TypeError', message: /1 to 15 bytes/ },
    ],
    ['an empty new name', a => a.rename(''), { name: 'TypeError' }],
    ['a new name that is a pattern', a => a.rename('a%d'), { name: 'TypeError', message: /pattern/ }],
    [
      'a pattern for the names of a new pair',
      (_, api, netns) => api.createVethPair({ name: 'c%d', netns, peer: 'd%d' }),
      { name: 'TypeError', message: /pattern/ },
    ],
    [
      'an unknown way to make addresses',
      (_, api, netns) => api.createVethPair({ name: 'c', netns, peer: 'd', addrGenMode: wrong('no') }),
      { name: 'TypeError', message: /eui64, none/ },
    ],
    [
      'a feature set to a word',
      a => a.setFeature('gro', wrong('off')),
      { name: 'TypeError', message: /true or false, not 'off'/ },
    ],
    ['an MTU that is no integer', a => a.setMtu(1400.5), NO_MTU],
    ['an MTU beyond 32 bits', a => a.setMtu(2 ** 32 + 1400), NO_MTU],
    ['a negative MTU', a => a.setMtu(-1), NO_MTU],
    ['an MTU that is no number', a => a.setMtu(Number.NaN), NO_MTU],
    ['a negative count of queues', a => a.setChannels({ rx: -1 }), { name: 'TypeError', message: /not -1$/ }],
    [
      'a feature without a name',
      a => a.setFeature(wrong(undefined), true),
      { name: /^(Type|Feature)Error$/ },
    ],
    ['a move to nowhere', a => a.move(''), { name: 'TypeError' }],
    ['no program', a => a.attachXdp(wrong(undefined)), { name: 'TypeError' }],
    [
      'an unknown mode',
      (a, api) => a.attachXdp(api.xdpPass(), { mode: wrong('fast') }),
      { name: 'TypeError' },
    ],
    [
      'an unknown lifetime',
      (a, api) => a.attachXdp(api.xdpPass(), { lifetime: wrong('short') }),
      { name: 'TypeError' },
    ],
    [
      'a name of 16 bytes for a new pair',
      (_, api, netns) => api.createVethPair({ name: 'x'.repeat(16), netns, peer: 'c' }),
      { name: 'TypeError' },
    ],
    [
      "a new peer's name with a blank",
      (_, api, netns) => api.createVethPair({ name: 'c', netns, peer: 'a b' }),
      { name: 'TypeError' },
    ],
    [
      'a new pair without a peer',
      (_, api, netns) => api.createVethPair({ name: 'c', netns, peer: wrong(undefined) }),
      { name: 'TypeError' },
    ],
    [
      'an address that is none',
      (_, api, netns) => api.createVethPair({ name: 'c', netns, address: 'xx', peer: 'd' }),
      { name: 'TypeError' },
    ],
  ]

for (const [form, api] of formsHere) {
  for (const [value, words] of [
    ['', /1 to 127 bytes; '' has 0/],
    ['x'.repeat(128), /1 to 127 bytes; 'x+' has 128/],
    ['ä'.repeat(64), /has 128$/],
    ['.', /must not be '\.'/],
    ['a b', /blanks, '\/' or ':': 'a b'/],
    ['a/b', /blanks, '\/' or ':': 'a\/b'/],
    ['a\0b', /blanks/],
    [0, /integer of at least 1, not 0/],
    [-1, /integer of at least 1, not -1/],
    [1.5, /integer of at least 1, not 1.5/],
    [2 ** 31, /integer of at least 1, not 2147483648/],
    [Number.NaN, /integer of at least 1, not NaN/],
    [null, /by its name or its index/],
    [undefined, /by its name or its index/],
    [{}, /by its name or its index/],
  ] as const) {
    test(`${form}: device(${JSON.stringify(value) ?? value}) is a TypeError`, () => {
      assert.throws(() => api.device(wrong(value)), { name: 'TypeError', message: words })
    })
  }

  for (const [value, words] of [
    ['', /must not be empty/],
    ['a\0b', /NUL/],
    ['a/b', /neither a name under \/run\/netns nor an absolute path/],
    ['..', /neither a name under \/run\/netns nor an absolute path/],
    [{ pid: 0 }, /netns pid must be an integer of at least 1, not 0/],
    [{ pid: '7' }, /netns pid must be an integer of at least 1, not '7'/],
    [{ fd: -1 }, /netns fd must be an integer of at least 0, not -1/],
    [{}, /a name, an absolute path, \{ pid \} or \{ fd \}/],
    [null, /a name, an absolute path, \{ pid \} or \{ fd \}, not null/],
    [7, /a name, an absolute path, \{ pid \} or \{ fd \}, not 7/],
  ] as const) {
    test(`${form}: netns ${JSON.stringify(value)} is a TypeError`, async () => {
      const expected = { name: 'TypeError', message: words }
      assert.throws(() => api.device('lo', { netns: wrong(value) }), expected)
      await assert.rejects(async () => await api.listLinks({ netns: wrong(value) }), expected)
    })
  }

  for (const timeout of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    test(`${form}: a timeout of ${timeout} is a RangeError`, () => {
      assert.throws(() => api.device('lo', { timeout }), {
        name: 'RangeError',
        message: `timeout must be a number of milliseconds, not ${timeout}`,
      })
    })
  }

  test(`${form}: a namespace that is not there is ENOENT and named`, async () => {
    const expected = { name: 'SystemError', code: 'ENOENT', message: /netns none-such: there is no such/ }
    await assert.rejects(async () => await api.device('lo', { netns: 'none-such' }).getLink(), expected)
  })

  test(`${form}: a file that is no namespace is refused`, { skip: needsRoot }, async () => {
    await assert.rejects(async () => await api.device('lo', { netns: '/proc/self/status' }).getLink(), {
      name: 'SystemError',
      code: 'EINVAL',
    })
  })

  for (const [words, work, error] of CHANGES) {
    test(`${form}: ${words} is found before anything is sent`, { skip: needsRoot }, async t => {
      const netns = ownNetns(t)
      const [a] = await api.createVethPair({ name: 'a', netns, peer: 'b' })
      const state = async () =>
        (await api.listLinks({ netns })).map(({ name, mtu, xdp }) => [name, mtu, xdp?.mode])
      const before = await state()
      await assert.rejects(async () => await work(a, api, netns), error)
      assert.deepEqual(await state(), before)
    })
  }
}
