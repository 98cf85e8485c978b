/** What a link's bandwidth and losses add to an exchange's plan. Pure. */
import { sizeOf, type Draw, type ExchangePlan, type Facts, type NetworkPlan, type PlannedItem } from './plan.ts';
import type { Link } from './profile.ts';

/** The least that Linux waits (TCP_RTO_MIN). RFC 6298 asks for a second. */
const RETRANSMIT_MS = 200;
/** RFC 6298 §2: before a round trip was measured. */
const SYN_RETRANSMIT_MS = 1000;
const SEGMENT_BYTES = 1460;
/** Connect: SYN and its answer. TLS 1.3: its flights, with an EC certificate chain. */
const PACKETS = { connect: 2, tls: 6 } as const;

const UNIFORM = { source: 'probability', quantiles: [[0, 0], [1, 1]] } satisfies Parameters<Draw>[1]; // prettier-ignore

/**
 * The plan over the link, on an open connection. Uploads take bytes ÷ bandwidth. A part of the exchange loses a packet with
 * probability 1 − (1 − share)^packets and is then one retransmission later. Items behind a late one wait for it.
 * A link draws under names of its own, so it moves no other draw.
 */
export function overLink(plan: ExchangePlan, facts: Facts, link: Link, draw: Draw): ExchangePlan {
  const { uploadKbps } = link;
  const lost = losses(link, draw);
  const sendUs = uploadKbps === undefined ? plan.networkUs.send : Math.round((8000 * facts.uploadBytes) / uploadKbps);
  const networkUs = { ...plan.networkUs, send: sendUs + lost('send', facts.uploadBytes / SEGMENT_BYTES) };
  return { ...plan, networkUs, waitUs: plan.waitUs + lost('wait', 1), items: late(plan.items, lost) };
}

/** A new connection's set-up over the link. */
export function setUpOverLink(network: NetworkPlan, link: Link, draw: Draw): NetworkPlan {
  const { connect, tls } = network;
  const lost = losses(link, draw);
  const over = { ...network };
  if (connect !== undefined) over.connect = connect + lost('connect', PACKETS.connect, SYN_RETRANSMIT_MS);
  if (tls !== undefined) over.tls = tls + lost('tls', PACKETS.tls);
  return over;
}

type Losses = (part: string, packets: number, afterMs?: number) => number;

function losses({ lossShare = 0, retransmitMs = RETRANSMIT_MS }: Link, draw: Draw): Losses {
  return (part, packets, afterMs = retransmitMs) => {
    const isLost =
      lossShare > 0 && draw(`loss.${part}`, UNIFORM) < 1 - (1 - lossShare) ** Math.max(1, Math.ceil(packets));
    return isLost ? Math.round(1000 * afterMs) : 0;
  };
}

/** TCP delivers nothing behind a gap: items that fall due meanwhile come together with the late one. */
function late(items: readonly PlannedItem[], lost: Losses): PlannedItem[] {
  let dueUs = 0;
  let beforeUs = 0;
  return items.map((item, index) => {
    dueUs += item.gapUs;
    const atUs = Math.max(beforeUs, dueUs + lost(String(index), sizeOf(item) / SEGMENT_BYTES));
    const gapUs = atUs - beforeUs;
    beforeUs = atUs;
    return { ...item, gapUs };
  });
}
