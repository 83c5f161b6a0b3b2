/**
 * npm's `netlink`, with one socket: `netlink.cjs WARMUP REPEATS WORK NAME INDEX LINKS PEER` in the namespace where the
 * work is; NETLINK_PACKAGE is its folder. Prints the nanoseconds of each repeat on a line of its own, without the
 * warm-up's; of WORK 'keep' the bytes by which the process grows for each link that it keeps.
 */
const { readFileSync } = require('node:fs')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')
const { createRtNetlink } = require(process.env.NETLINK_PACKAGE)

const [warmUp, repeats, work, name, index, links] = process.argv.slice(2)
const socket = createRtNetlink()

async function list() {
  const all = await socket.getLinks()
  if (all.length !== Number(links)) throw new Error(`${all.length} links, where ${links} were made`)
  return all
}

async function one(data, attributes) {
  const [link] = await socket.getLink(data, attributes)
  if (link.data.index !== Number(index)) throw new Error('another link')
}

const WORKS = {
  links: list,
  names: async () => (await list()).map(({ data, attrs }) => ({ index: data.index, name: attrs.ifname })),
  'by-name': () => one({}, { ifname: name }),
  'by-index': () => one({ index: Number(index) }, {}),
}

/** Bytes of memory, after garbage is collected. */
function resident() {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  collect()
  collect() // what the first has made unreachable
  return 1024 * Number(/^Rss: +(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))[1])
}

async function keep() {
  await WORKS['by-index']() // everything is loaded and open
  const before = resident()
  const kept = await list()
  console.log(`${(resident() - before) / kept.length}`)
  return kept
}

async function run() {
  if (work === 'keep') return await keep()
  const once = WORKS[work]
  if (!once) throw new Error(`no work '${work}'`)
  let kept
  for (let i = -Number(warmUp); i < Number(repeats); i++) {
    const begun = process.hrtime.bigint()
    kept = await once()
    const taken = process.hrtime.bigint() - begun
    if (i >= 0) console.log(`${taken}`)
  }
  return kept
}

run().then(
  () => process.exit(0),
  error => {
    console.error(error)
    process.exit(1)
  },
)
