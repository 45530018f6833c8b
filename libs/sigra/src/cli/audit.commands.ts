import { setTimeout } from 'node:timers/promises';
import type { AuditStream } from '../audit/audit.service.js';
import type { AuditEvent } from '../persistence/tables.js';
import type { OptionSpecs } from './arguments.js';
import { type Command, type CommandCall, DATABASE_OPTIONS, EXIT } from './command.js';
import type { SigraServices } from './sigra.application.js';
import { cellText } from './text-table.js';

const FILTER_OPTIONS = {
  action: { description: 'events of this action, such as api.token_create', value: 'ACTION' },
  outcome: { description: 'success or failure', value: 'OUTCOME', choices: ['success', 'failure'] },
  actor: { description: 'events of this actor', value: 'ID' },
  'actor-type': { description: 'events of actors of this type', value: 'TYPE' },
  target: { description: 'events about this target', value: 'ID' },
  'target-type': { description: 'events about targets of this type', value: 'TYPE' },
} satisfies OptionSpecs;

const POLL_MS = 1000;
const SHOWN_FIRST = 10;

/** Reads the audit trail. */
export const auditCommands: readonly Command[] = [
  {
    name: 'audit export',
    summary: 'Prints audit events, oldest first, as one JSON object a line.',
    details:
      'Each line has a cursor. To continue an export, pass that of the last line to --cursor. The latest events, of a minute or a little more, are left for the next export, because earlier ones can still commit.',
    options: {
      ...DATABASE_OPTIONS,
      ...FILTER_OPTIONS,
      from: { description: 'events at this time or later', value: 'TIME' },
      to: { description: 'events before this time', value: 'TIME' },
      cursor: { description: 'continues after the line that has it', value: 'CURSOR' },
    },
    run: (call) =>
      using(call, async ({ audit }, toLine) => {
        const { args, output } = call;
        // An event that commits after a later one was printed would be before the cursor.
        const settled = audit.settledBefore();
        const to = args.date('to');
        const request = {
          ...filterOf(call),
          from: args.date('from'),
          to: to && to < settled ? to : settled,
          cursor: args.text('cursor'),
        };
        for await (const event of audit.stream(request)) await output.line(toLine(event));
        if (request.to === settled) output.note(`Events since ${cellText(settled)} are left for the next export.`);
      }),
  },
  {
    name: 'audit tail',
    summary: 'Prints the latest audit events, and then each new one, until Ctrl-C.',
    details:
      'With --json, as one JSON object a line. Also events that become visible after later ones, because their transaction took longer.',
    options: { ...DATABASE_OPTIONS, ...FILTER_OPTIONS },
    run: (call) =>
      using(call, async ({ audit }, toLine) => {
        const { output, signal } = call;
        const filter = filterOf(call);
        const print = (event: AuditEvent) => output.line(output.isJson ? toLine(event) : textOf(event));
        const seen = new Map<string, Date>();
        // All events before it are visible.
        let settled = audit.settledBefore();
        // First of all: what becomes visible from now on is new.
        for await (const { id, occurredAt } of audit.stream({ ...filter, from: settled })) seen.set(id, occurredAt);
        const { events } = await audit.query({ ...filter, limit: SHOWN_FIRST });
        for (const event of [...events].reverse()) {
          seen.set(event.id, event.occurredAt);
          await print(event);
        }
        for (;;) {
          const settledNext = audit.settledBefore();
          for await (const event of audit.stream({ ...filter, from: settled })) {
            if (seen.has(event.id)) continue;
            seen.set(event.id, event.occurredAt);
            await print(event);
          }
          settled = settledNext;
          for (const [id, at] of seen) if (at < settled) seen.delete(id);
          await setTimeout(POLL_MS, undefined, { signal });
        }
      }),
  },
];

async function using(
  call: CommandCall,
  work: (sigra: SigraServices, toLine: (event: AuditEvent) => string) => Promise<void>,
): Promise<typeof EXIT.ok> {
  const [{ withSigra }, { encodeCursor }] = await Promise.all([
    import('./sigra.application.js'),
    import('../common/cursor.js'),
  ]);
  const toLine = (event: AuditEvent) => JSON.stringify({ ...event, cursor: encodeCursor(event.occurredAt, event.id) });
  await withSigra(call, {}, (sigra) => work(sigra, toLine));
  return EXIT.ok;
}

function filterOf({ args }: CommandCall): AuditStream {
  return {
    action: args.text('action'),
    outcome: args.text('outcome') as AuditEvent['outcome'] | undefined,
    actorId: args.text('actor'),
    actorType: args.text('actor-type'),
    targetId: args.text('target'),
    targetType: args.text('target-type'),
  };
}

function textOf({
  occurredAt,
  action,
  outcome,
  actorType,
  actorId,
  targetType,
  targetId,
  ipAddress,
  metadata: { reason = null },
}: AuditEvent): string {
  const [actor, target] = [pairOf(actorType, actorId), pairOf(targetType, targetId)];
  return [occurredAt, outcome, action, actor, '->', target, ipAddress, reason].map(cellText).join('  ');
}

function pairOf(type: string | null, id: string | null): string | null {
  return id === null ? type : `${type ?? ''}:${id}`;
}
