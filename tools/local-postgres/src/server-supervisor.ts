import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresBinaries } from './postgres-binaries.js';
import { SERVER_ENVIRONMENT, identity, type ServerUser } from './server-user.js';

export interface SupervisedServer {
  stop(): Promise<void>;
}

/**
 * Runs the server until its standard input closes. The kernel closes it when the app is killed. The script ignores the
 * signals that a service manager sends to all processes at once, because the app can still have rows to write. It
 * ignores SIGPIPE, so that it survives writing "ready" to an app that has ended.
 */
const SUPERVISOR = `
trap '' INT TERM HUP PIPE
"$POSTGRES" "$@" < /dev/null > "$HOME_DIR/server.log" 2>&1 &
server=$!
while :; do
  kill -0 "$server" 2> /dev/null || exit 1
  pid=; read -r pid 2> /dev/null < "$PGDATA/postmaster.pid"
  [ "$pid" = "$server" ] && grep -q '^ready' "$PGDATA/postmaster.pid" && break
  sleep 0.02
done
echo ready
read -r closed
kill -INT "$server"
wait "$server"
[ -z "$DISCARD" ] || rm -rf "$HOME_DIR" "$DISCARD"
`;

export async function superviseServer(options: {
  home: string;
  binaries: PostgresBinaries;
  user: ServerUser | undefined;
  settings: Record<string, string | number>;
  /** A folder to delete together with `home` after the server has stopped. */
  discard: string | undefined;
}): Promise<SupervisedServer> {
  const { home, binaries, user, settings, discard } = options;
  const data = join(home, 'data');
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const supervisor = spawn('sh', ['-c', SUPERVISOR, 'sh', '-D', data, ...flags], {
    // In its own session, so that Ctrl-C at the terminal reaches the app and not its database.
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...SERVER_ENVIRONMENT, POSTGRES: binaries.postgres, HOME_DIR: home, PGDATA: data, DISCARD: discard ?? '' },
    ...identity(user),
  });
  supervisor.stdin.on('error', () => undefined);
  const exited = once(supervisor, 'exit');

  const ready = await Promise.race([once(supervisor.stdout, 'data').then(() => true), exited.then(() => false)]);
  if (!ready) {
    const log = await readFile(join(home, 'server.log'), 'utf8').catch(() => '');
    throw new Error(`PostgreSQL did not start. The end of its log:\n${log.trim().split('\n').slice(-10).join('\n')}`);
  }

  // Lets an app without other work end, and the server with it.
  supervisor.unref();
  supervisor.stdout.destroy();
  return {
    stop: async () => {
      supervisor.ref();
      supervisor.stdin.end();
      await exited;
    },
  };
}
