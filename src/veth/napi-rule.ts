import type { LinkExcerpt } from '../rtnetlink/link-excerpt.ts'
import type { PeerFacts } from './facts.ts'

/**
 * Whether the end that frames are to arrive at has NAPI: as the kernel tells, else by the driver's own rule; null
 * where GRO decides and is not known.
 */
export function hasNapi(release: string, { link, napi, gro }: PeerFacts): boolean | null {
  if (napi !== null) return napi.instances > 0
  if (!link.up) return false
  if (hasNativeProgram(link)) return true
  if (!groStartsNapi(release)) return false
  return gro === null ? null : gro.wanted
}

export function hasNativeProgram({ xdp }: LinkExcerpt): boolean {
  return xdp?.mode === 'native' || (xdp?.nativeProgramId ?? 0) !== 0
}

export function hasGenericProgram({ xdp }: LinkExcerpt): boolean {
  return xdp?.mode === 'generic' || (xdp?.genericProgramId ?? 0) !== 0
}

/** Commit d3256efd8e8b, Linux 5.13. */
export function groStartsNapi(release: string): boolean {
  return isSince(release, 5, 13)
}

/** The rule by which NAPI is inferred on that kernel, in words. */
export function napiRule(release: string): string {
  return groStartsNapi(release)
    ? 'from 5.13 on a veth that is up has NAPI while GRO is wanted or a native program is attached'
    : 'before 5.13 a veth has NAPI only while it is up with a native program'
}

/** Whether a kernel is of that series or a later one: for what only its version tells. */
export function isSince(release: string, thatMajor: number, thatMinor: number): boolean {
  const { major, minor } = seriesOf(release)
  return major > thatMajor || (major === thatMajor && minor >= thatMinor)
}

/** '6.18.44-amd64' read once: each verdict asks several times, and of one machine there is but one. */
function seriesOf(release: string): { readonly major: number; readonly minor: number } {
  if (release !== lastRead.release) {
    const [major = 0, minor = 0] = release.split('.').map(Number)
    lastRead = { release, major, minor }
  }
  return lastRead
}
let lastRead = { release: '', major: 0, minor: 0 }
