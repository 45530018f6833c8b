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
/** Events of a transaction become visible when it commits: some time after they occurred, and after later ones. */
const SETTLES_WITHIN_MS = 30_000;
const SHOWN_FIRST = 10;

/** Reads the audit trail. */
export const auditCommands: readonly Command[] = [
  {
    name: 'audit export',
    summary: 'Prints audit events, oldest first, as one JSON object a line.',
    details: 'Each line has a cursor. To continue an export, pass that of the last line to --cursor.',
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
        const request = {
          ...filterOf(call),
          from: args.date('from'),
          to: args.date('to'),
          cursor: args.text('cursor'),
        };
        for await (const event of audit.stream(request)) await output.line(toLine(event));
      }),
  },
  {
    name: 'audit tail',
    summary: 'Prints the latest audit events, and then each new one, until Ctrl-C.',
    details:
      'With --json, as one JSON object a line. Events of a transaction that takes longer than 30 seconds can be left out.',
    options: { ...DATABASE_OPTIONS, ...FILTER_OPTIONS },
    run: (call) =>
      using(call, async ({ audit }, toLine) => {
        const { output, signal } = call;
        const filter = filterOf(call);
        const print = (event: AuditEvent) => output.line(output.isJson ? toLine(event) : textOf(event));
        const { events } = await audit.query({ ...filter, limit: SHOWN_FIRST });
        const shown = new Map<string, number>();
        let newest = events[0]?.occurredAt.getTime() ?? Date.now();
        // Those before it were there, and are not new.
        const began = events.at(-1)?.occurredAt.getTime() ?? newest;
        for (const event of [...events].reverse()) {
          shown.set(event.id, event.occurredAt.getTime());
          await print(event);
        }
        for (;;) {
          const from = new Date(Math.max(newest - SETTLES_WITHIN_MS, began));
          for await (const event of audit.stream({ ...filter, from })) {
            if (shown.has(event.id)) continue;
            shown.set(event.id, event.occurredAt.getTime());
            newest = Math.max(newest, event.occurredAt.getTime());
            await print(event);
          }
          for (const [id, at] of shown) if (at < newest - SETTLES_WITHIN_MS) shown.delete(id);
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
}: AuditEvent): string {
  const [actor, target] = [pairOf(actorType, actorId), pairOf(targetType, targetId)];
  return [occurredAt, outcome, action, actor, '->', target, ipAddress].map(cellText).join('  ');
}

function pairOf(type: string | null, id: string | null): string | null {
  return id === null ? type : `${type ?? ''}:${id}`;
}
