import { assignNetnsId, getNetnsId, netnsIdQuestion } from '../rtnetlink/netns-id.ts'
import { isOutOfReach } from '../veth/netns-search.ts'
import { NetlinkError } from '../wire/errors.ts'
import { type Netns, OWN_NETNS } from '../wire/netns.ts'
import { ask, type Operation } from '../wire/operation.ts'
import { Bundle, together } from '../wire/question.ts'

/** How many ids are asked for at once: a descriptor each, for that moment. */
const AT_ONCE = 32

/**
 * The namespaces that can be found, by the ids that this program's own one has for them. One that has none gets one: only
 * from those can anything be heard.
 */
export class NetnsRoster {
  readonly #byId = new Map<number, Netns>()
  /** Inode numbers of those that have been asked for. */
  readonly #idOf = new Map<number, number>()
  #ownInode: number | null = null

  /** Where a namespace is found; null: nowhere so far. */
  at(id: number): Netns | null {
    return this.#byId.get(id) ?? null
  }

  get ids(): number[] {
    return [...this.#byId.keys()]
  }

  /** The id stands for nothing any more. */
  forget(id: number): void {
    const inode = this.#byId.get(id)?.inode
    if (inode != null) this.#idOf.delete(inode)
    this.#byId.delete(id)
  }

  forgetAll(): void {
    this.#byId.clear()
    this.#idOf.clear()
  }

  /** A namespace as it is seen now, and its id, which it has now if it had none; null: it is the own one. @throws when it cannot be reached. */
  *enter(netns: Netns): Operation<{ id: number | null; seen: Netns }> {
    const seen = yield* ask<'identify'>({ kind: 'identify', netns })
    if (seen.inode === (yield* this.#own())) return { id: null, seen: OWN_NETNS }
    const id = yield* netnsIdGiven(seen)
    this.#note(seen, id)
    return { id, seen }
  }

  /** Looks for namespaces. @throws NetlinkError EPERM where one has no id and must not be given one. */
  *look(held: 'by name' | 'by process' | 'by thread'): Operation<void> {
    const own = yield* this.#own()
    const strange: Netns[] = []
    for (const netns of yield* ask<'namespaces'>({ kind: 'namespaces', held })) {
      if (netns.inode === null || netns.inode === own) continue
      const id = this.#idOf.get(netns.inode)
      if (id === undefined) strange.push(netns)
      else this.#note(netns, id)
    }
    for (let i = 0; i < strange.length; i += AT_ONCE) yield* this.#ask(strange.slice(i, i + AT_ONCE))
  }

  *#ask(strange: readonly Netns[]): Operation<void> {
    const questions = strange.map(netns => netnsIdQuestion(OWN_NETNS, netns))
    const answers = yield* together(new Bundle(questions))
    for (const [i, netns] of strange.entries()) {
      try {
        this.#note(netns, questions[i]!.take(answers[i]!) ?? (yield* netnsIdGiven(netns)))
      } catch (error) {
        if (!isOutOfReach(error) || isForbidden(error)) throw error // else it has ended meanwhile
      }
    }
  }

  *#own(): Operation<number | null> {
    this.#ownInode ??= (yield* ask<'identify'>({ kind: 'identify', netns: OWN_NETNS })).inode
    return this.#ownInode
  }

  /** A process may end before the namespace does: a way by name is kept, another one is replaced. */
  #note(netns: Netns, id: number): void {
    this.#idOf.set(netns.inode!, id)
    const known = this.#byId.get(id)
    const lasts = known?.inode === netns.inode && !known.path.startsWith('/proc/')
    if (!lasts) this.#byId.set(id, netns)
  }
}

/** The id of a namespace in the own one, which it has now if it had none. */
export function* netnsIdGiven(netns: Netns): Operation<number> {
  for (;;) {
    const id = yield* getNetnsId(OWN_NETNS, netns)
    if (id !== null) return id
    try {
      yield* assignNetnsId(OWN_NETNS, netns)
    } catch (error) {
      // Somebody else was faster, or the kernel, for a link message.
      if (!(error instanceof NetlinkError && error.code === 'EEXIST')) throw error
    }
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof NetlinkError && error.code === 'EPERM' && error.syscall === 'RTM_NEWNSID'
}
