import { NodeProcess } from './node-process.js';

export interface NoticeNodeSetup {
  readonly databaseUrl: string;
  /** The seconds by which its clock is wrong. */
  readonly skew: number;
  /** How long a notice takes, in milliseconds. */
  readonly duration: number;
}

/** What an owner is told. */
export interface Told {
  readonly tokenId: string;
  readonly days: number;
  readonly ownerId: string;
}

/** An application in a process of its own that sends the due notices when it starts. Its program is `notice-node-process.ts`. */
export class NoticeNode {
  private constructor(private readonly process: NodeProcess) {}

  static async start(setup: NoticeNodeSetup, onTold: (told: Told) => void): Promise<NoticeNode> {
    const { process } = await NodeProcess.start('notice-node-process.ts', setup);
    process.child.on('message', (told: Told | 'sent') => {
      if (told !== 'sent') onTold(told);
    });
    return new NoticeNode(process);
  }

  /** Sends the due notices once more. */
  async send(): Promise<void> {
    const sent = new Promise<void>((resolve) => {
      this.process.child.on('message', (message) => {
        if (message === 'sent') resolve();
      });
    });
    this.process.child.send('send');
    await sent;
  }

  stop(): Promise<void> {
    return this.process.stop();
  }

  kill(): Promise<void> {
    return this.process.kill();
  }
}
