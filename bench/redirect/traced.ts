import { statSync } from 'node:fs'
import {
  type Device,
  type RedirectTraceHandle,
  SystemError,
  type TracedRedirect,
  type TraceOptions,
  traceRedirects,
} from '../../src/index.ts'
import { netnsPath } from './netns-path.ts'
import type { Traced } from './results.ts'

/** What the kernel's tracepoints tell of what a NIC redirects meanwhile; null where the kernel cannot be asked. */
export async function tracedWhile(
  nic: Device,
  send: () => Promise<unknown>,
  by: Pick<TraceOptions, 'by'> = {},
): Promise<Traced[] | null> {
  const isOf = await redirectedBy(nic)
  const trace = await open(by)
  if (trace === null) return null
  try {
    await send()
    const { redirects } = await trace.read()
    return redirects.filter(isOf).flatMap(countsOf)
  } finally {
    await trace.close()
  }
}

/** null where the kernel tells neither its types nor, without tracefs, its tracepoints. */
async function open(by: Pick<TraceOptions, 'by'>): Promise<RedirectTraceHandle | null> {
  try {
    return await traceRedirects({ delivered: true, ...by })
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return null
    throw error
  }
}

/** What others redirect on the machine is counted too, and live frames, out of the device that they are sent by. */
async function redirectedBy(nic: Device): Promise<(one: TracedRedirect) => boolean> {
  const { index } = await nic.getLink()
  const { ino } = statSync(netnsPath(nic.netns))
  // Perf events tell no namespaces.
  return ({ from }) => from?.index === index && (from.netnsInode ?? ino) === ino
}

/** A frame that a driver gives up because it was refused xdp_exception would count again. */
function countsOf({ tracepoint, code, delivered, refused }: TracedRedirect): Traced[] {
  if (tracepoint !== 'xdp:xdp_redirect_err' && tracepoint !== 'xdp:xdp_devmap_xmit') return []
  const ends = [
    { tracepoint, code: null, frames: delivered },
    { tracepoint, code, frames: refused },
  ]
  return ends.filter(({ frames }) => frames > 0)
}
