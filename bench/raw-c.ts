import { type Contestant, RAW_C } from './contestant.ts'
import { operationOf } from './ours-operations.ts'
import { meanOf } from './program.ts'
import { requestsOf } from './requests.ts'
import type { What, Work } from './works.ts'
import { buildC } from './workshop.ts'

/** All but 'pair': the index in its requests is another one each time. */
const CAN: readonly What[] = [
  'links',
  'names',
  'visit',
  'by-name',
  'by-index',
  'features',
  'toggle',
  'peer',
  'verdict',
]

/** The physical limit: peers/raw.c with the library's own requests, which it sends one by one and does not decode. */
export function rawC(): Contestant {
  const program = buildC('raw')
  const requests = new Map<Work, string[]>()
  return {
    name: RAW_C,
    can: CAN,
    async turn(work) {
      const sent = requests.get(work) ?? requestsOf(() => operationOf(work), work.scene)
      requests.set(work, sent)
      return await meanOf([program, `${work.warmUp}`, `${work.repeats}`, ...sent], work.scene)
    },
  }
}
