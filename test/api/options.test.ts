import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AnyDevice, type Api, formsHere } from './forms.ts'

// What a program in plain JavaScript may pass, whatever the types say.
const wrong = (value: unknown) => value as never

/** Nothing of it reaches the kernel, so no privilege is needed; `lo` is not touched. */
const CALLS: readonly [words: string, call: (api: Api, lo: AnyDevice) => unknown, message: RegExp][] = [
  ['a name in place of options', api => api.listLinks(wrong('host')), /listLinks\(\) takes \{ netns, /],
  ['the same for a device', api => api.device('lo', wrong('host')), /device\(\) takes \{ netns, .*'host'$/],
  ['no options at all', api => api.device('lo', wrong(null)), /not null$/],
  ['a misspelt option', api => api.device('lo', wrong({ ns: 'host' })), /device\(\) has no option 'ns'/],
  ['a time limit in words', api => api.device('lo', wrong({ timeout: '5' })), /milliseconds, not '5'$/],
  [
    'something else for a signal',
    api => api.device('lo', wrong({ signal: true })),
    /signal must be an AbortSignal/,
  ],
  ['a move to nowhere', (_, lo) => lo.move(wrong(undefined)), /say which netns/],
  ['no MTU', (_, lo) => lo.setMtu(wrong(undefined)), /mtu must be an integer/],
  ['an MTU in words', (_, lo) => lo.setMtu(wrong('1500')), /not '1500'$/],
  ['a number for channels', (_, lo) => lo.setChannels(wrong(2)), /setChannels\(\) takes \{ rx, tx/],
  ['a misspelt channel', (_, lo) => lo.setChannels(wrong({ foo: 1 })), /no option 'foo'/],
  [
    'a number for a probe',
    (_, lo) => lo.probeRedirect(wrong(10)),
    /probeRedirect\(\) takes \{ frames, size, mode, by \}/,
  ],
  [
    'null for a verdict',
    (_, lo) => lo.explainRedirect(wrong(null)),
    /explainRedirect\(\) takes \{ via, mode, frameSize, multiBuffer, from \}/,
  ],
  ['a feature in an object', (_, lo) => lo.setFeature(wrong({ gro: true }), true), /a feature has a name/],
  ['a program by a word', (_, lo) => lo.attachXdp(wrong('pass')), /a program is what xdpPass\(\)/],
  [
    'a program that was not called',
    (api, lo) => lo.attachXdp(wrong(api.xdpPass)),
    /a program is what xdpPass\(\)/,
  ],
  ['a pair of nothing', api => api.createVethPair(wrong(undefined)), /createVethPair\(\) takes \{ /],
  [
    'a pair without a peer',
    api => api.createVethPair(wrong({ name: 'a' })),
    /the peer in createVethPair\(\)/,
  ],
  [
    'a pair named by numbers',
    api => api.createVethPair(wrong({ name: 5, peer: 'b' })),
    /name is a string, not 5/,
  ],
  ['an end up in words', api => api.createVethPair(wrong({ name: 'a', up: 'yes', peer: 'b' })), /not 'yes'$/],
  [
    'a namespace named by an object',
    api => api.createNetns(wrong({ name: 'x' })),
    /cannot be a network namespace's name/,
  ],
  ['a namespace named by a number', api => api.createNetns(wrong(1)), /1 cannot be/],
]

for (const [form, api] of formsHere) {
  for (const [words, call, message] of CALLS) {
    test(`${form}: ${words} is said to be wrong before anything is asked`, async () => {
      await assert.rejects(
        async () => await call(api, api.device('lo')),
        (error: Error) => {
          assert.ok(error instanceof TypeError || error instanceof RangeError, String(error))
          assert.match(error.message, message)
          return true
        },
      )
    })
  }
}
