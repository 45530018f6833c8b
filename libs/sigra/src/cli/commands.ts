import { auditCommands } from './audit.commands.js';
import { cleanupCommand } from './cleanup.command.js';
import type { Command } from './command.js';
import { completionCommand } from './completion.command.js';
import { doctorCommand } from './doctor.command.js';
import { jwtKeygenCommand } from './jwt-keygen.command.js';
import { migrationCommands } from './migration.commands.js';
import { ownerCommands } from './owner.commands.js';
import { tokenCommands } from './token.commands.js';
import { tokenLookupCommand } from './token-lookup.command.js';

const working: readonly Command[] = [
  ...tokenCommands,
  tokenLookupCommand,
  ...ownerCommands,
  cleanupCommand,
  doctorCommand,
  jwtKeygenCommand,
  ...migrationCommands,
  ...auditCommands,
];

/** All commands of `npx sigra`, in the order of the help. */
export const commands: readonly Command[] = [...working, completionCommand(working)];
