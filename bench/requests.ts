import { SyncKernel } from '../src/codec.ts'
import { type Kernel, runSync } from '../src/kernel/kernel.ts'
import type { Ask, NetlinkAsk, Operation } from '../src/wire/operation.ts'
import type { Scene } from './scene.ts'

/**
 * What an operation asks of netlink once everything that can be remembered is: so both sides send the same bytes,
 * whatever the library becomes. Each is 'NETNS:PROTOCOL:REQUEST' as peers/raw.c reads it.
 */
export function requestsOf(operation: () => Operation<unknown>, { netns, other }: Scene): string[] {
  const kernel = new SyncKernel()
  runSync(operation(), kernel)
  const asked: NetlinkAsk[] = []
  const listening: Kernel = {
    answer(question: Ask, limits) {
      if (question.kind === 'netlink') asked.push(question)
      if (question.kind === 'together') asked.push(...question.questions)
      return kernel.answer(question, limits)
    },
  }
  runSync(operation(), listening)
  const descriptorOf = (path: string) => {
    if (path === netns.path) return 3
    if (path === other.path) return 4
    throw new Error(`a question goes to ${path}, which is not of the scene`)
  }
  return asked.map(({ netns, protocol, bytes, descriptors }) => {
    const filled = Buffer.from(bytes)
    for (const [at, of] of descriptors) filled.writeInt32LE(descriptorOf(of.path), at)
    return `${descriptorOf(netns.path)}:${protocol}:${filled.toString('hex')}`
  })
}
