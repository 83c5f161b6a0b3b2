import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { NetnsHandle } from '../src/sync.ts'
import { CANARY, makeLab } from './lab.ts'
import { watchLoop } from './loop-watch.ts'
import { progressOf } from './progress.ts'
import { promises } from './published.ts'

/** What the program has asked for at any time: requests of ours, and fs.stat(), which shares the pool. */
export interface Waiting {
  readonly requests: number
  readonly files: number
}

/** Responsiveness while something else goes on; repeated. */
export interface Contention {
  readonly meanwhile: string
  /** Somebody changes links meanwhile. */
  readonly disturbing: boolean
  readonly waiting: Waiting
  readonly repeats: readonly Responsiveness[]
}

const DELETER = fileURLToPath(new URL('delete-links.ts', import.meta.url))

/** What the program feels while others hold the kernel's lock for network configuration (RTNL). Times in ms. */
export interface Responsiveness {
  /** From the beginning of the deletion to its end. */
  readonly lasted: number
  /** Requests answered meanwhile, and the slowest of them. */
  readonly answered: number
  readonly slowest: number
  /** See LoopDelay: 99 of 100 gaps, the longest one, and the longest that the program itself held the loop. */
  readonly loopP99: number
  readonly loopDelay: number
  readonly loopHeld: number
  /** The slowest fs.stat(), which shares libuv's pool with our requests. */
  readonly stat: number
}

/** With `deleted` veths that others delete, and how often each is repeated. */
export async function contend(here: NetnsHandle, deleted: number, repeats: number): Promise<Contention[]> {
  const oneByOne = (waiting: Waiting) => whileDeletedOneByOne(here, deleted, waiting)
  const atOnce = (waiting: Waiting) => whileNetnsEnds(here, deleted, waiting)
  const rest = (waiting: Waiting) => atRest(here, waiting)
  const ours = { requests: 8, files: 1 }
  const nothing = { requests: 0, files: 1 }
  const onlyFiles = { requests: 0, files: 9 }
  const nobody = 'nobody else is at work'
  const ends = `a namespace of ${deleted} veths ends`
  const kinds = [
    { waiting: nothing, meanwhile: nobody, disturbing: false, times: repeats, feelIt: rest },
    { waiting: ours, meanwhile: nobody, disturbing: false, times: repeats, feelIt: rest },
    {
      waiting: ours,
      meanwhile: `${deleted} veths are deleted one by one`,
      disturbing: true,
      times: repeats,
      feelIt: oneByOne,
    },
    { waiting: ours, meanwhile: ends, disturbing: true, times: 3 * repeats, feelIt: atOnce },
    { waiting: onlyFiles, meanwhile: ends, disturbing: true, times: 3 * repeats, feelIt: atOnce },
  ]
  const contention: Contention[] = []
  const progress = progressOf('kinds of contention', kinds.length)
  for (const { waiting, meanwhile, disturbing, times, feelIt } of kinds) {
    const felt: Responsiveness[] = []
    for (let time = 0; time < times; time++) felt.push(await feelIt(waiting))
    contention.push({ waiting, meanwhile, disturbing, repeats: felt })
    progress(contention.length)
  }
  return contention
}

/** With nobody else at work, for comparison: even without requests there are delays. */
export async function atRest(here: NetnsHandle, waiting: Waiting): Promise<Responsiveness> {
  const there = makeLab(0)
  const canary = await putCanary(here, there)
  const felt = await feel(
    here,
    async () => {
      await setTimeout(1000)
      await canary.delete()
    },
    waiting,
  )
  there.remove()
  return felt
}

/** While another process deletes them one by one, waiting for each. */
export async function whileDeletedOneByOne(
  here: NetnsHandle,
  veths: number,
  waiting: Waiting,
): Promise<Responsiveness> {
  const pairs = veths >> 1
  const there = makeLab(pairs)
  await putCanary(here, there)
  // The options are those that this program runs with: they make Node read TypeScript.
  const child = spawn(process.execPath, [...process.execArgv, DELETER, `${pairs}`], {
    stdio: ['pipe', 'pipe', 'inherit', there.fd],
  })
  const ended = once(child, 'exit')
  await Promise.race([once(child.stdout!, 'data'), ended]) // it is ready
  const felt = await feel(
    here,
    async () => {
      child.stdin!.end('go')
      const [status] = await ended
      if (status !== 0) throw new Error(`${DELETER} failed`)
    },
    waiting,
  )
  there.remove()
  return felt
}

/** While the kernel deletes them all at once, because their namespace has come to its end. */
export async function whileNetnsEnds(
  here: NetnsHandle,
  veths: number,
  waiting: Waiting,
): Promise<Responsiveness> {
  const there = makeLab(veths >> 1)
  await putCanary(here, there)
  await setTimeout(1000) // until no idle socket of ours holds the namespace any more
  const begin = async () => {
    await there.remove()
    // Without requests nobody notices the end: about as long as it takes.
    if (waiting.requests === 0) await setTimeout(veths / 5)
  }
  const felt = await feel(here, begin, waiting)
  await hasEnded(here) // or the next canary finds this one
  return felt
}

async function hasEnded(here: NetnsHandle): Promise<void> {
  const canary = promises.device(CANARY, { netns: here })
  while (!(await isGone(canary))) await setTimeout(10)
}

async function putCanary(here: NetnsHandle, there: NetnsHandle) {
  const ends = { name: CANARY, netns: here, peer: { name: CANARY, netns: there } }
  const [canary] = await promises.createVethPair(ends)
  return canary
}

/** Keeps requests waiting and files asked for, from begin() to the canary's end. */
async function feel(
  here: NetnsHandle,
  begin: () => Promise<void>,
  { requests, files }: Waiting,
): Promise<Responsiveness> {
  const canary = promises.device(CANARY, { netns: here })
  let over = false
  let answered = 0
  let slowest = 0
  let slowestStat = 0

  const ask = async () => {
    while (!over) {
      const begun = performance.now()
      if (await isGone(canary)) over = true
      slowest = Math.max(slowest, performance.now() - begun)
      answered++
      await setTimeout(1) // without a pause it would be the scheduler of a busy machine that is measured
    }
  }
  const noMoreIfNobodyAsks = () => {
    if (requests === 0) over = true
  }
  const askForFile = async () => {
    while (!over) {
      const begun = performance.now()
      await stat('/')
      slowestStat = Math.max(slowestStat, performance.now() - begun)
      await setTimeout(1)
    }
  }

  const begun = performance.now()
  const { delay, p99, held } = await watchLoop('millisecond', () =>
    Promise.all([
      begin().finally(noMoreIfNobodyAsks),
      ...Array.from({ length: requests }, ask),
      ...Array.from({ length: files }, askForFile),
    ]).catch(error => {
      over = true // or the others would go on for ever
      throw error
    }),
  )
  const lasted = performance.now() - begun
  return { lasted, answered, slowest, loopP99: p99, loopDelay: delay, loopHeld: held, stat: slowestStat }
}

async function isGone(canary: ReturnType<typeof promises.device>): Promise<boolean> {
  try {
    await canary.getLink()
    return false
  } catch (error) {
    if (error instanceof promises.NetlinkError && error.code === 'ENODEV') return true
    throw error
  }
}
