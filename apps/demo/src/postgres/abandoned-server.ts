import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/**
 * Stops the server that a killed run left behind. The caller holds the folder's lock, so that no live process
 * needs that server any more.
 */
export async function stopAbandonedServer(data: string): Promise<void> {
  const pidFile = join(data, 'postmaster.pid');
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (!pid) {
    return;
  }
  // After a restart of the machine the number may belong to any process, so it has to name this very folder.
  for (let waited = 0; (await commandOf(pid)).includes(data); waited += 50) {
    if (waited === 0) {
      interrupt(pid);
    }
    if (waited > 30_000) {
      throw new Error(`The PostgreSQL of an earlier run does not stop (process ${pid}). Stop it and start again.`);
    }
    await sleep(50);
  }
  // PostgreSQL would not start while another process of the same account happens to have that number.
  await rm(pidFile, { force: true });
}

function interrupt(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
}

async function commandOf(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  }
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout;
}
