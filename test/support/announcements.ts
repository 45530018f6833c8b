import { ConsoleLogger } from '@nestjs/common';

/** A logger that keeps only how Sigra says that it reads users. */
export class Announcements extends ConsoleLogger {
  readonly texts: string[] = [];

  constructor() {
    super({ logLevels: [] });
  }

  override log(message: unknown): void {
    if (String(message).startsWith('Reads ')) this.texts.push(String(message));
  }
}
