import { NodeProcess } from './node-process.js';

export interface NoticeNodeSetup {
  readonly databaseUrl: string;
  /** The seconds by which its clock is wrong. */
  readonly skew: number;
  /** How long a notice takes, in milliseconds. */
  readonly duration: number;
}

/** An application in a process of its own that sends the due notices when it starts. Its program is `notice-node-process.ts`. */
export async function startNoticeNode(setup: NoticeNodeSetup, onTold: (tokenId: string) => void): Promise<NodeProcess> {
  const { process } = await NodeProcess.start('notice-node-process.ts', setup);
  process.child.on('message', (tokenId) => {
    onTold(tokenId as string);
  });
  return process;
}
