/**
 * The parts of `@angular-devkit/schematics` that the schematics use. The Nest CLI brings the devkit and calls the schematics
 * with it, so the library does not depend on it.
 */
export interface Tree {
  exists(path: string): boolean;
  read(path: string): Buffer | null;
  create(path: string, content: string): void;
  overwrite(path: string, content: string): void;
  getDir(path: string): Directory;
}

export interface Directory {
  /** Names without the path. */
  readonly subfiles: readonly string[];
  readonly subdirs: readonly string[];
}

export interface Context {
  readonly logger: { info(message: string): void; warn(message: string): void };
  /** @returns an id, for the tasks that wait for this one */
  addTask(task: { toConfiguration(): { name: string; options: object } }, waitFor?: Task[]): Task;
}

export interface Task {
  readonly id: number;
}

/** @throws Error if the file does not exist */
export function readText(tree: Tree, path: string): string {
  const content = tree.read(path);
  if (content === null) throw new Error(`There is no ${path}.`);
  return content.toString('utf8');
}
