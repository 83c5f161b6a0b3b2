/**
 * What `ethtool -K` and `ethtool -k` call groups of the kernel's feature bits. A '*' stands for any text.
 * Source: ethtool's command line (its manual page) and the names in net/ethtool/common.c.
 */
const GROUPS = [
  ['rx', 'rx-checksumming', 'rx-checksum'],
  ['tx', 'tx-checksumming', 'tx-checksum-*'],
  ['sg', 'scatter-gather', 'tx-scatter-gather*'],
  ['tso', 'tcp-segmentation-offload', 'tx-tcp*-segmentation'],
  ['ufo', 'udp-fragmentation-offload', 'tx-udp-fragmentation'],
  ['gso', 'generic-segmentation-offload', 'tx-generic-segmentation'],
  ['gro', 'generic-receive-offload', 'rx-gro'],
  ['lro', 'large-receive-offload', 'rx-lro'],
  ['rxvlan', 'rx-vlan-offload', 'rx-vlan-hw-parse'],
  ['txvlan', 'tx-vlan-offload', 'tx-vlan-hw-insert'],
  ['ntuple', 'ntuple-filters', 'rx-ntuple-filter'],
  ['rxhash', 'receive-hashing', 'rx-hashing'],
] as const

/** The short names, as given to `ethtool -K`. */
export type FeatureAlias = (typeof GROUPS)[number][0]

/**
 * Every alias, short and long, with the kernel's names of the bits it stands for; this kernel may have none. Found once
 * for each list of names: a kernel has one, and patterns take long.
 */
export function aliasesOf(names: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const known = found.get(names)
  if (known !== undefined) return known
  const aliases = new Map<string, readonly string[]>()
  for (const [short, long, pattern] of GROUPS) {
    const members = names.filter(name => name !== undefined && matches(name, pattern))
    aliases.set(short, members)
    aliases.set(long, members)
  }
  found.set(names, aliases)
  return aliases
}
const found = new WeakMap<readonly string[], ReadonlyMap<string, readonly string[]>>()

/** The names most like a mistaken one, best first. */
export function nearNames(wrong: string, names: Iterable<string>): string[] {
  const meant = wrong.toLowerCase()
  const scored = []
  for (const name of names) {
    const distance = name.includes(meant) || meant.includes(name) ? 1 : editDistance(meant, name)
    if (distance <= Math.max(2, wrong.length / 3)) scored.push({ name, distance })
  }
  scored.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
  return scored.slice(0, 5).map(({ name }) => name)
}

function matches(name: string, pattern: string): boolean {
  const [start = '', end] = pattern.split('*')
  if (end === undefined) return name === pattern
  return name.length >= start.length + end.length && name.startsWith(start) && name.endsWith(end)
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replace, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
