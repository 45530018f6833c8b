import { execFileSync } from 'node:child_process';

/** The commit of the working tree, with `+` if anything in it has changed since. */
export function measuredCommit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'libs', 'package-lock.json', 'bench') !== '';
  return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`;
}
