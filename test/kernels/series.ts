/** The series that the matrix runs by default, as the beginning of a release: Debian 11, 12, 13 and 13's backports. */
export const SERIES: readonly string[] = ['5.10', '6.1', '6.12', '7']

/** The suites of Debian in which they are. */
export const SUITES: readonly string[] = ['bullseye', 'bookworm', 'trixie', 'trixie-backports']

/**
 * The release of a kernel package, `linux-image-<release>-amd64`, or null for what is no plain kernel: not the
 * real-time and cloud flavours, nor what `linux-image-amd64` points to.
 */
export function releaseOf(packageName: string): string | null {
  return /^linux-image-(\d[\d.]*(?:-\d+)?(?:\+deb[\d.]+)?-amd64)$/.exec(packageName)?.[1] ?? null
}

/** Whether a release is of a series: 6.1 has 6.1.0-50-amd64 and not 6.12.1. */
export function isOfSeries(release: string, series: string): boolean {
  return release.startsWith(series) && !/^\d/.test(release.slice(series.length))
}

/** The newest release of a series among these, or undefined. */
export function newestOf(releases: readonly string[], series: string): string | undefined {
  return releases
    .filter(release => isOfSeries(release, series))
    .toSorted(compareReleases)
    .at(-1)
}

/** Number by number: 6.12.9+deb13 comes before 6.12.85+deb13. */
export function compareReleases(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? -1) - (right[at] ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}

function numbers(release: string): number[] {
  return (release.replace('-amd64', '').match(/\d+/g) ?? []).map(Number)
}
