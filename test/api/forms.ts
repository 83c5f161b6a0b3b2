import * as promises from '../../src/index.ts'
import * as sync from '../../src/sync.ts'

/** Either form of the library: `await` makes nothing of a plain value, so one scenario serves both. */
export type Api = typeof promises | typeof sync

/** Both forms by name, for a test that is written once and run twice. */
export const forms: readonly (readonly [form: string, api: Api])[] = [
  ['promises', promises],
  ['sync', sync],
]

export type AnyDevice = promises.Device | sync.Device
