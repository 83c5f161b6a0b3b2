import * as promises from '../../src/index.ts'
import * as sync from '../../src/sync.ts'
import { often } from '../tools/this-run.ts'

/** Either form of the library: `await` makes nothing of a plain value, so one scenario serves both. */
export type Api = typeof promises | typeof sync

/** Both forms by name, for a test that is written once and run twice. */
export const forms: readonly (readonly [form: string, api: Api])[] = [
  ['promises', promises],
  ['sync', sync],
]

/** The same, but on an emulated kernel one form: what the kernel does is one, and the form is its caller's. */
export const formsHere = forms.slice(0, often(2, 1))

export type AnyDevice = promises.Device | sync.Device
