import { extname } from 'node:path'

/** What Node needs so as to run our files: tsx, or nothing where they were compiled, as test/kernels does. */
export const EXTENSION = extname(import.meta.filename)
export const LOADER: readonly string[] = EXTENSION === '.ts' ? ['--import', 'tsx'] : []

const EMULATED = process.env.VETH_NL_EMULATED === '1'

/** For the `skip` of a test that is about milliseconds: why it cannot be trusted here, or false. */
export const needsTime: string | false = EMULATED
  ? 'is about milliseconds, which an emulated processor does not keep'
  : false

/** For the `skip` of a test of words or files, which a kernel cannot change: the machine itself has run it. Or false. */
export const needsNoKernel: string | false = EMULATED
  ? 'is about what is the same on every kernel, and takes an emulated processor long'
  : false

/** How often a test does something that it does again and again; an emulated processor takes a hundred times as long. */
export function often(times: number, emulated: number): number {
  return EMULATED ? emulated : times
}
