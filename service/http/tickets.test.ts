import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTickets, TICKET_VALID_MS, TICKETS_LIMIT } from './tickets.ts';

function ticketsAt() {
  let nowUs = 0;
  const clock = { nowUs: () => nowUs };
  return { tickets: createTickets(clock), passMs: (ms: number) => void (nowUs += ms * 1000) };
}

const REFUSED = {
  name: 'ProblemError',
  message: /^the ticket is of another session, used, or older than 30 s; get a new/,
};

test('a ticket is taken once, for its session, until it is 30 s old', () => {
  const { tickets, passMs } = ticketsAt();
  const { ticket, validMs } = tickets.issue('a');
  assert.equal(validMs, 30_000);
  tickets.use(ticket, 'a');
  assert.throws(() => tickets.use(ticket, 'a'), REFUSED, 'used');
  const other = tickets.issue('a');
  assert.throws(() => tickets.use(other.ticket, 'b'), REFUSED, 'of another session');
  assert.throws(() => tickets.use(other.ticket, 'a'), REFUSED, 'tried with another session, so used up');
  for (const made of ['', '0'.repeat(40), 'constructor']) assert.throws(() => tickets.use(made, 'a'), REFUSED, made);
  const late = tickets.issue('a');
  const young = tickets.issue('a');
  passMs(TICKET_VALID_MS - 1);
  tickets.use(young.ticket, 'a');
  passMs(1);
  assert.throws(() => tickets.use(late.ticket, 'a'), REFUSED, 'too old');
});

test('no more than so many wait to be used, and none longer than they are valid', () => {
  const { tickets, passMs } = ticketsAt();
  const all = Array.from({ length: TICKETS_LIMIT }, () => tickets.issue('a').ticket);
  assert.equal(new Set(all).size, TICKETS_LIMIT);
  assert.throws(() => tickets.issue('b'), { name: 'ProblemError', message: /^10000 tickets wait to be used/ });
  tickets.use(all[7] ?? '', 'a');
  tickets.issue('b');
  passMs(TICKET_VALID_MS);
  for (let more = 0; more < TICKETS_LIMIT; more++) tickets.issue('c');
});
