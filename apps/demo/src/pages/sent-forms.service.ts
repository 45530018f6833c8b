import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { DataSource } from 'typeorm';

/**
 * Forms that do their work once, however often they are sent: by reloading the answer, by going back, by a second click.
 * A row that is inserted or not decides, so that of two at the same moment one wins.
 */
@Injectable()
export class SentFormsService {
  constructor(private readonly dataSource: DataSource) {}

  /** The mark for a form that is about to be shown. */
  mark(): string {
    return randomUUID();
  }

  /** Whether this is the first time that the form with this mark comes in. */
  async claim(mark: string): Promise<boolean> {
    if (!isUUID(mark)) return false;
    // Longer than a session lives, there is nobody to send a form again.
    await this.dataSource.query(`DELETE FROM demo_sent_forms WHERE sent_at < now() - interval '14 days'`);
    const rows = await this.dataSource.query<unknown[]>(
      'INSERT INTO demo_sent_forms (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id',
      [mark],
    );
    return rows.length === 1;
  }
}
