import type { Link } from '../rtnetlink/link.ts'
import type { PeerFacts } from './facts.ts'

/** One instance per receive queue exactly while NAPI is on; before napi-get the rule of the driver tells. */
export function hasNapi(release: string, { link, napi, gro }: PeerFacts): boolean {
  if (napi !== null) return napi > 0
  return link.up && (hasNativeProgram(link) || (gro.wanted && groStartsNapi(release)))
}

export function hasNativeProgram({ xdp }: Link): boolean {
  return xdp?.mode === 'native' || (xdp?.nativeProgramId ?? 0) !== 0
}

/** Commit d3256efd8e8b, Linux 5.13. */
export function groStartsNapi(release: string): boolean {
  const [major = 0, minor = 0] = release.split('.').map(Number)
  return major > 5 || (major === 5 && minor >= 13)
}

/** The rule by which NAPI is inferred on that kernel, in words. */
export function napiRule(release: string): string {
  return groStartsNapi(release)
    ? 'from 5.13 on a veth that is up has NAPI while GRO is wanted or a native program is attached'
    : 'before 5.13 a veth has NAPI only while it is up with a native program'
}
