import type { Link } from '../rtnetlink/link.ts'
import type { Netns } from '../wire/netns.ts'
import { type ChangedField, changedLinkFields } from './link-difference.ts'

/** Where a device is. */
export interface LinkPlace {
  /** How the namespace was reached at that time; null where no way was found: a descriptor may be all that holds it. */
  readonly netns: Netns | null
  /**
   * The namespace's id in the one that this program runs in; null for that one itself. With the link's index it names a
   * device: before an id stands for another namespace the devices of the first one are reported as removed.
   */
  readonly netnsId: number | null
}

/** What has become of a device since the last event about it. Links have no counters here: `stats` is null. */
export type LinkEvent =
  | ({ readonly type: 'added'; readonly link: Link } & LinkPlace)
  | ({
      readonly type: 'changed'
      /** As it is, and as the last event had it. */
      readonly link: Link
      readonly old: Link
      /** In which they differ. */
      readonly fields: readonly ChangedField[]
    } & LinkPlace)
  /** link: as the last event had it. */
  | ({ readonly type: 'removed'; readonly link: Link } & LinkPlace)
  /** The kernel lost messages for us, so many times. What they said follows, as ordinary events. */
  | { readonly type: 'resync'; readonly losses: number }

/** A device as it was told of. */
export interface LinkSeen {
  readonly place: LinkPlace
  readonly link: Link
}

/** null where there is nothing to tell. */
export function linkEvent(before: LinkSeen | null, after: LinkSeen | null): LinkEvent | null {
  if (after === null) return before === null ? null : { type: 'removed', ...told(before) }
  if (before === null) return isUnfinished(after.link) ? null : { type: 'added', ...told(after) }
  const fields = changedLinkFields(before.link, after.link)
  return fields.length === 0 ? null : { type: 'changed', ...told(after), old: before.link, fields }
}

function told({ link, place: { netns, netnsId } }: LinkSeen) {
  return { link, netns, netnsId }
}

/**
 * The kernel announces the end of a veth pair that it makes first before that has a peer (veth_newlink()). It is asked for
 * once more, and told then.
 */
export function isUnfinished({ kind, link }: Link): boolean {
  return kind === 'veth' && link === 0
}
