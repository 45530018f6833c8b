import { readFile } from 'node:fs/promises';

/** CPU time of each process of a server so far, in microseconds, by process id. */
export type CpuTimes = ReadonlyMap<number, number>;

/** Reads the CPU time of a PostgreSQL server on this machine. Needs Linux. */
export class ServerCpu {
  private constructor(private readonly postmaster: number) {}

  /** @param backend the process id of one of its backends, whose parent is the postmaster */
  static async of(backend: number): Promise<ServerCpu> {
    const stat = await readFile(`/proc/${backend}/stat`, 'utf8');
    // The name of the process, in brackets, can contain spaces; the parent is the second field after it.
    return new ServerCpu(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }

  async read(): Promise<CpuTimes> {
    const children = await readFile(`/proc/${this.postmaster}/task/${this.postmaster}/children`, 'utf8');
    const pids = [this.postmaster, ...children.trim().split(' ').map(Number)];
    const times = await Promise.all(pids.map(async (pid) => [pid, await cpuMicros(pid)] as const));
    return new Map(times.filter((each): each is readonly [number, number] => each[1] !== undefined));
  }
}

/**
 * The CPU time that a server used between two readings. Processes that began or ended in between, such as those of autovacuum,
 * are left out: contestants have their connections before a turn.
 */
export function usedBetween(before: CpuTimes, after: CpuTimes): number {
  return [...after].reduce((sum, [pid, micros]) => sum + micros - (before.get(pid) ?? micros), 0);
}

/** @returns undefined for a process that has ended */
async function cpuMicros(pid: number): Promise<number | undefined> {
  const schedule = await readFile(`/proc/${pid}/schedstat`, 'utf8').catch(() => undefined);
  return schedule === undefined ? undefined : Number(schedule.split(' ')[0]) / 1000;
}
