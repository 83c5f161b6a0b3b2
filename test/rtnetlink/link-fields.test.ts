import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as promises from '../../src/index.ts'
import { fieldsDecoder, LINK_FIELDS } from '../../src/rtnetlink/link-fields.ts'
import { forEachLink, type Link, type LinkField, listLinks } from '../../src/sync.ts'
import { inNetns, needsRoot } from '../tools/netns.ts'
import { vethIn } from '../tools/veth.ts'

const root = { skip: needsRoot }

function picked(link: Link, fields: readonly LinkField[]): Partial<Link> {
  return Object.fromEntries(fields.map(field => [field, link[field]]))
}

test(
  'each field by itself is what it is among all',
  root,
  inNetns(netns => {
    vethIn(netns, { mtu: 1400, address: '02:00:00:00:00:01' })
    const whole = listLinks({ netns })
    assert.equal(whole.length, 3)
    for (const field of LINK_FIELDS) {
      const some = listLinks({ netns, fields: [field] })
      assert.deepEqual(
        some,
        whole.map(link => picked(link, [field])),
        field,
      )
    }
  }),
)

test(
  'several fields, listed and handed out one by one, in both forms',
  root,
  inNetns(async netns => {
    vethIn(netns)
    const fields = ['name', 'index', 'linkinfo', 'flags', 'altNames', 'stats'] as const
    const expected = listLinks({ netns }).map(link => picked(link, fields))
    assert.deepEqual(listLinks({ netns, fields }), expected)
    assert.deepEqual(await promises.listLinks({ netns, fields }), expected)
    const visited: object[] = []
    forEachLink(link => visited.push(link), { netns, fields })
    await promises.forEachLink(link => visited.push(link), { netns, fields })
    assert.deepEqual(visited, [...expected, ...expected])
  }),
)

test(
  'all fields, handed out one by one, in both forms',
  root,
  inNetns(async netns => {
    vethIn(netns)
    const visited: Link[] = []
    forEachLink(link => visited.push(link), { netns })
    await promises.forEachLink(link => visited.push(link), { netns })
    const expected = listLinks({ netns })
    assert.deepEqual(visited, [...expected, ...expected])
  }),
)

test(
  'the list of alternative names is nobody else’s',
  root,
  inNetns(netns => {
    listLinks({ netns, fields: ['altNames'] })[0]!.altNames.push('mine')
    assert.deepEqual(listLinks({ netns, fields: ['altNames'] }), [{ altNames: [] }])
  }),
)

test('the same fields in the same order have one decoder, whose table so gets to its own code', () => {
  const decode = fieldsDecoder(['name', 'mtu'])
  assert.equal(fieldsDecoder(['name', 'mtu']), decode)
  assert.notEqual(fieldsDecoder(['mtu', 'name']), decode)
  assert.notEqual(fieldsDecoder(['name']), decode)
})

test('not all decoders that ever were are kept', () => {
  const first = fieldsDecoder(['name', 'group'])
  for (let times = 1; times <= 100; times++) fieldsDecoder(new Array<LinkField>(times).fill('mtu'))
  assert.notEqual(fieldsDecoder(['name', 'group']), first)
})

test(
  'fields in another order are in that order',
  root,
  inNetns(netns => {
    for (const fields of [['name', 'index'] as const, ['index', 'name'] as const])
      assert.deepEqual(Object.keys(listLinks({ netns, fields })[0]!), fields)
  }),
)

test('what is no field is refused before anything is asked', () => {
  const wrong = /a link has no field 'kind' to be asked for: index, type, flags, name, /
  assert.throws(() => listLinks({ fields: ['kind' as LinkField] }), { name: 'TypeError', message: wrong })
  assert.throws(() => listLinks({ fields: 'name' as never }), /fields must be a list, not 'name'/)
  assert.throws(() => forEachLink(7 as never), /forEachLink\(\) calls a function with each link, not 7/)
})
