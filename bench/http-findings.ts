import type { HttpContestantName } from './contestants/http/all.js';
import { type Figures, totalCpu } from './harness/rounds.js';
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

/** Of the server and PostgreSQL together: how much more the hand-written guard adds to a bare handler than Sigra. */
function addedRatio(figures: Results[Adapter]): number {
  const added = (name: HttpContestantName) => totalCpu(figures[name]) - totalCpu(figures.bare);
  return added('hand-written') / added('sigra-token');
}

export function demandsOf({ fastify, express }: Results): Demand[] {
  const times = (what: string, limit: number, measured: number): Demand => ({
    what,
    bound: 'at least',
    limit,
    unit: 'times',
    measured,
  });
  const cost = (name: HttpContestantName, added: string, limit: number): Demand => ({
    what: `CPU with ${added}, against without, on Fastify`,
    bound: 'at most',
    limit,
    unit: 'times',
    measured: totalCpu(fastify[name]) / totalCpu(fastify['sigra-token']),
  });
  const against = 'against what the hand-written guard adds,';
  const token = 'requests with token and user, against the hand-written guard,';
  return [
    times(`${token} on Fastify`, 8, fastify['sigra-token'].rate / fastify['hand-written'].rate),
    times(`${token} on Express`, 4, express['sigra-token'].rate / express['hand-written'].rate),
    times(`CPU that the guard adds to a bare handler, ${against} on Fastify`, 20, addedRatio(fastify)),
    times(`CPU that the guard adds to a bare handler, ${against} on Express`, 18, addedRatio(express)),
    times(
      'JWT `epoch` against a plain guard that reads the user, on Fastify',
      3,
      fastify['sigra-jwt-epoch'].rate / fastify['plain-jwt-user'].rate,
    ),
    times(
      'JWT `stateless` against a plain guard that reads nothing, on Fastify',
      1,
      fastify['sigra-jwt-stateless'].rate / fastify['plain-jwt'].rate,
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
