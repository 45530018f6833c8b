import type { HttpContestantName } from './contestants/http/all.js';
import { byRound, type Figure, type Figures, totalCpu } from './harness/rounds.js';
import type { Chart, Demand } from './harness/section.js';
import type { Adapter } from './workers/http-server.js';

export type Results = Readonly<Record<Adapter, Readonly<Record<HttpContestantName, Figures>>>>;

export const LABELS: Readonly<Record<HttpContestantName, string>> = {
  bare: 'no guard',
  'sigra-token': 'Sigra, API token (token and user)',
  'sigra-policies': 'Sigra, API token, every policy',
  'sigra-observed': 'Sigra, API token, OpenTelemetry without an SDK',
  'sigra-metrics': 'Sigra, API token, OpenTelemetry with metrics',
  'sigra-jwt-stateless': 'Sigra, JWT stateless (no read)',
  'sigra-jwt-epoch': 'Sigra, JWT epoch (epoch and user)',
  'sigra-session': 'Sigra, session (user)',
  'hand-written': 'passport, findOne twice (token, user)',
  'plain-jwt': '@nestjs/jwt, hand-written (no read)',
  'plain-jwt-user': '@nestjs/jwt, findOne (user)',
  'better-auth': 'better-auth (key and user)',
};

/** Contestants that differ by a few percent: what is added to Sigra with an API token. */
export const CLOSE = [
  'sigra-token',
  'sigra-policies',
  'sigra-observed',
  'sigra-metrics',
] as const satisfies HttpContestantName[];
export type CloseResults = Readonly<Record<(typeof CLOSE)[number], Figures>>;

type Round = Readonly<Record<HttpContestantName, Figure>>;

/** Of the server and PostgreSQL together: how much more the hand-written guard adds to a bare handler than Sigra. */
function addedRatio(round: Round): number {
  const added = (name: HttpContestantName) => totalCpu(round[name]) - totalCpu(round.bare);
  return added('hand-written') / added('sigra-token');
}

const rateAgainst = (name: HttpContestantName, peer: HttpContestantName) => (round: Round) =>
  round[name].rate / round[peer].rate;

export function demandsOf(results: Results, close: CloseResults): Demand[] {
  const times = (what: string, limit: number, adapter: Adapter, compare: (round: Round) => number): Demand => ({
    what: `${what} on ${adapter === 'fastify' ? 'Fastify' : 'Express'}`,
    bound: 'at least',
    limit,
    unit: 'times',
    measured: byRound(results[adapter], compare),
  });
  const cost = (name: (typeof CLOSE)[number], added: string, limit: number): Demand => ({
    what: `CPU with ${added}, against without, on Fastify`,
    bound: 'at most',
    limit,
    unit: 'times',
    measured: byRound(close, (round) => totalCpu(round[name]) / totalCpu(round['sigra-token'])),
  });
  const requests = 'requests with token and user, against the hand-written guard,';
  const added = 'CPU that the guard adds to a bare handler, against what the hand-written guard adds,';
  const byHand = rateAgainst('sigra-token', 'hand-written');
  return [
    times(requests, 8, 'fastify', byHand),
    times(requests, 4, 'express', byHand),
    times(added, 20, 'fastify', addedRatio),
    times(added, 18, 'express', addedRatio),
    times(
      'JWT `epoch` against a plain guard that reads the user,',
      3,
      'fastify',
      rateAgainst('sigra-jwt-epoch', 'plain-jwt-user'),
    ),
    times(
      'JWT `stateless` against a plain guard that reads nothing,',
      1,
      'fastify',
      rateAgainst('sigra-jwt-stateless', 'plain-jwt'),
    ),
    cost('sigra-policies', 'every policy', 1.15),
    cost('sigra-observed', 'OpenTelemetry and no SDK', 1.01),
    cost('sigra-metrics', 'OpenTelemetry and its metrics SDK', 1.05),
  ];
}

export function chartOf(adapter: Adapter, figures: Results[Adapter]): Chart {
  return {
    kind: 'bars',
    name: `http-${adapter}`,
    title: `Requests per second on ${adapter === 'fastify' ? 'Fastify' : 'Express'}, 64 connections`,
    unit: '/s',
    bars: Object.entries(figures).map(([name, { rate }]) => ({
      label: LABELS[name as HttpContestantName],
      value: rate,
    })),
  };
}
