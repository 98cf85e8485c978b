/** The hosts of files that a provider may name: fal's CDN, and hosts that the operator lists. */
import { isIP } from 'node:net';
import { describeError, StageError } from '../base/errors.ts';
import type { Stage } from '../base/events.ts';

export interface AudioHosts {
  /** The URL, if it may be fetched. Throws `StageError` of kind `rejected` otherwise. */
  admit(url: string, stage: Stage): AdmittedUrl;
}

export interface AdmittedUrl {
  href: string;
  /** The host is not listed: its name must not lead into a private network. */
  publicOnly: boolean;
}

const FAL_CDN = /^(v3b?\.)?fal\.media$/;

/** `listed` names hosts, with any port that is not the scheme's. Only a listed host may be an address or use http. */
export function createAudioHosts(listed: readonly string[]): AudioHosts {
  const known = new Set(listed.map((host) => host.toLowerCase()));
  return {
    admit(url, stage) {
      const parsed = URL.parse(url);
      const bare = parsed?.hostname.replace(/^\[|\]$/g, '') ?? '';
      const isListed = parsed !== null && /^https?:$/.test(parsed.protocol) && known.has(parsed.host);
      const isCdn = parsed?.protocol === 'https:' && isIP(bare) === 0 && FAL_CDN.test(parsed.host);
      if (parsed !== null && (isListed || isCdn) && parsed.username === '' && parsed.password === '')
        return { href: parsed.href, publicOnly: !isListed };
      throw new StageError(
        stage,
        'rejected',
        `the provider named a file on ${describeError(parsed?.host ?? 'no host', 80)}, which is not an allowed audio host; list it in RETAKE_AUDIO_HOSTS if it is yours`,
      );
    },
  };
}
