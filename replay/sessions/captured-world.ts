/**
 * The world that captures are of: whom they asked, and the stand-ins' profile. A bundle says of itself which world it is of; its
 * exchanges say which hosts answered. An error belongs to the world in which it was measured. Pure.
 */
import { stringOf, type World } from '../../service/base/events.ts';
import type { CapturedSession } from './captured-session.ts';

export interface CapturedWorld {
  world: World;
  /** Of the stand-ins; absent in `live`. */
  profile?: string;
  /** Sorted. All addresses of this machine are one: `loopback`. */
  hosts: readonly string[];
}

export const LOOPBACK = 'loopback';
/** A name in the DNS has no more characters, and no conversation more providers. */
export const HOST_LIMIT_CHARS = 253;
export const HOSTS_LIMIT = 20;

/** Undefined where the sessions are of several worlds, or hold no exchange that says whom they asked. */
export function capturedWorld(sessions: readonly CapturedSession[]): CapturedWorld | undefined {
  const logs = sessions.flatMap(({ turns }) => turns);
  const [world, ...others] = new Set(logs.map(({ identity }) => identity.world));
  const [profile, ...otherProfiles] = new Set(sessions.map((session) => session.profile));
  const hosts = new Set<string>();
  for (const { events } of logs)
    for (const event of events) {
      if (event.kind !== 'http.start') continue;
      const host = hostOf(stringOf(event, 'url'));
      if (host !== undefined) hosts.add(host);
      if (hosts.size > HOSTS_LIMIT) return undefined;
    }
  if (world === undefined || others.length > 0 || otherProfiles.length > 0 || hosts.size === 0) return undefined;
  return { world, ...(profile === undefined ? {} : { profile }), hosts: [...hosts].sort() };
}

function hostOf(url: string | undefined): string | undefined {
  const hostname = url === undefined ? undefined : URL.parse(url)?.hostname;
  if (hostname === undefined || hostname === '' || hostname.length > HOST_LIMIT_CHARS) return undefined;
  return /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname) ? LOOPBACK : hostname;
}

export function isSameWorld(one: CapturedWorld, other: CapturedWorld): boolean {
  return keyOf(one) === keyOf(other);
}

const keyOf = ({ world, profile, hosts }: CapturedWorld): string => JSON.stringify([world, profile ?? null, hosts]);

/** `live (fal.run, openrouter.ai)`, `wire (profile seed)`. */
export function worldText({ world, profile, hosts }: CapturedWorld): string {
  return `${world} (${profile === undefined ? hosts.join(', ') : `profile ${profile}`})`;
}
