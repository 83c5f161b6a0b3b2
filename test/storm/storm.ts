import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { watchLinks } from '../../src/index.ts'
import { getNetnsId } from '../../src/rtnetlink/netns-id.ts'
import { createNetns, type Link, listLinks } from '../../src/sync.ts'
import { NETNS_DIRECTORY, type Netns, netnsFrom, OWN_NETNS } from '../../src/wire/netns.ts'
import { ask, type Operation } from '../../src/wire/operation.ts'
import { real } from '../tools/real.ts'
import { EXTENSION, LOADER } from '../tools/this-run.ts'
import { Consumer } from './consumer.ts'

/** Among which links go to and fro. */
const NAMESPACES = 3
/** Bytes: less than one link's message takes in the kernel, so that no two have room. */
export const SMALL = 1024

export interface Outcome {
  readonly events: number
  readonly losses: number
  readonly links: number
}

/**
 * Lets another process change links in three namespaces, in bursts, while a consumer that sleeps follows.
 * receiveBuffer: in bytes; where it is small the kernel loses messages.
 * @throws AssertionError where the consumer's table is not what the kernel says in the end.
 */
export async function storm(seed: number, changes: number, receiveBuffer?: number): Promise<Outcome> {
  const places = Array.from({ length: NAMESPACES }, () => createNetns())
  const consumer = new Consumer(seed)
  const stopped = new AbortController()
  const following = consumer.follow(watchLinks({ netns: places, signal: stopped.signal, receiveBuffer }))
  try {
    await runToEnd(
      'changes',
      [seed, changes, NAMESPACES],
      places.map(({ fd }) => fd!),
      following,
    )
    await consumer.settled(() => linksOf(places))
  } finally {
    stopped.abort()
    await following
    for (const netns of places) netns.remove()
  }
  return outcome(consumer)
}

/** The same for veth pairs, made and deleted between namespaces that come and go, while all namespaces are watched. */
export async function stormOfPairs(seed: number, pairs: number, namespaces: number): Promise<Outcome> {
  const consumer = new Consumer(seed)
  const stopped = new AbortController()
  const following = consumer.follow(watchLinks({ netns: 'all', signal: stopped.signal }))
  try {
    await runToEnd('pairs', [seed, pairs, namespaces], [], following)
    await consumer.settled(sweep)
  } finally {
    stopped.abort()
    await following
    for (const name of readdirSync(NETNS_DIRECTORY)) real(removeName(`${NETNS_DIRECTORY}/${name}`))
  }
  return outcome(consumer)
}

function removeName(path: string): Operation<null> {
  return ask<'remove netns'>({ kind: 'remove netns', path })
}

/** Where all namespaces have names: every device of the machine. */
function sweep(): Map<string, Link> {
  return linksOf([OWN_NETNS, ...readdirSync(NETNS_DIRECTORY).map(netnsFrom)])
}

/** As a fresh dump in each has them. */
function linksOf(places: readonly Netns[]): Map<string, Link> {
  const links = new Map<string, Link>()
  for (const netns of places) {
    const id = netns === OWN_NETNS ? null : real(getNetnsId(OWN_NETNS, netns))
    for (const link of listLinks({ netns })) links.set(`${id}/${link.index}`, link)
  }
  return links
}

async function runToEnd(
  program: string,
  words: readonly number[],
  descriptors: readonly number[],
  following: Promise<void>,
): Promise<void> {
  const file = fileURLToPath(new URL(`./${program}${EXTENSION}`, import.meta.url))
  const child = spawn(process.execPath, [...LOADER, file, ...words.map(String)], {
    stdio: ['ignore', 'inherit', 'inherit', ...descriptors],
  })
  const exit = once(child, 'exit')
  try {
    const how = await Promise.race([exit, following.then(() => ['the watch has ended'])])
    assert.deepEqual(how, [0, null])
  } finally {
    child.kill()
    await exit
  }
}

function outcome({ events, losses, table }: Consumer): Outcome {
  return { events, losses, links: table.size }
}
