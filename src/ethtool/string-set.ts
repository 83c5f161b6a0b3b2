import { nested, repeated, string, u32 } from '../wire/attribute.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { get } from '../wire/request.ts'
import { encodeAttributes, NO_UNKNOWN, table } from '../wire/table.ts'
import { A_HEADER, ethtoolMessage, ethtoolReply } from './message.ts'

/** enum ethtool_stringset, those that are the same for every device. Source: include/uapi/linux/ethtool.h. */
export const ETH_SS = { FEATURES: 4 } as const

/** ETHTOOL_A_STRINGS_STRING: one name and the bit it stands for. */
class NamedBit {
  unknown = NO_UNKNOWN
  index = 0
  value = ''
}
const NAMED_BIT = table<NamedBit>([
  [1, 'index', u32],
  [2, 'value', string],
])

class Strings {
  unknown = NO_UNKNOWN
  strings: NamedBit[] = []
}
const STRINGS = table<Strings>([[1, 'strings', repeated(nested(NamedBit, NAMED_BIT))]])

/** ETHTOOL_A_STRINGSETS_STRINGSET. */
class StringSet {
  unknown = NO_UNKNOWN
  id = 0
  strings: Strings | null = null
}
const STRING_SET = table<StringSet>([
  [1, 'id', u32],
  [3, 'strings', nested(Strings, STRINGS)],
])

class StringSets {
  unknown = NO_UNKNOWN
  sets: StringSet[] = []
}
const STRING_SETS = table<StringSets>([[1, 'sets', repeated(nested(StringSet, STRING_SET))]])

/** ETHTOOL_MSG_STRSET_GET and its reply. */
class StringSetReply {
  unknown = NO_UNKNOWN
  stringSets: StringSets | null = null
}
const STRING_SET_REPLY = table<StringSetReply>(
  [[2, 'stringSets', nested(StringSets, STRING_SETS)]],
  [A_HEADER],
)

/** The kernel's names of a set of bits, by bit; asked for once per kernel object. */
export function* getStringSet(id: number): Operation<readonly string[]> {
  const memory = yield* ask<'memory'>({ kind: 'memory' })
  const key = `ethtool string set ${id}`
  const known = memory.get(key)
  if (known !== undefined) return known as readonly string[]
  const message = yield* ethtoolMessage('STRSET_GET', null, STRING_SET_REPLY, 0)
  const wanted = Object.assign(new StringSet(), { id })
  encodeAttributes(message, STRING_SET_REPLY, {
    stringSets: Object.assign(new StringSets(), { sets: [wanted] }),
  })
  const reply = yield* get(message, ethtoolReply(StringSetReply, STRING_SET_REPLY))
  const names: string[] = []
  for (const { index, value } of reply.stringSets?.sets[0]?.strings?.strings ?? []) names[index] = value
  memory.set(key, names)
  return names
}
