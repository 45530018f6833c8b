import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/**
 * Stops the server that a killed run left behind. The caller holds the folder's lock, so no live process
 * needs that server.
 */
export async function stopAbandonedServer(data: string): Promise<void> {
  const pidFile = join(data, 'postmaster.pid');
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (!pid) {
    return;
  }
  // After a reboot the pid can belong to any process, so its command line must name this folder.
  for (let waited = 0; (await commandOf(pid)).includes(data); waited += 50) {
    if (waited === 0) {
      interrupt(pid);
    }
    if (waited > 30_000) {
      throw new Error(`The PostgreSQL of an earlier run does not stop (process ${pid}). Stop it and start again.`);
    }
    await sleep(50);
  }
  // PostgreSQL does not start while another process of the same account has the pid in this file.
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
