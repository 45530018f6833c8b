import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { DataSource } from 'typeorm';

/**
 * Makes forms take effect only once, even if they are sent again by a reload, by the back button or by a second click.
 * Inserting a row decides, so that only one of two concurrent requests succeeds.
 */
@Injectable()
export class SentFormsService {
  constructor(private readonly dataSource: DataSource) {}

  /** Creates the mark of a form. */
  mark(): string {
    return randomUUID();
  }

  /** Whether the form with this mark is sent for the first time. */
  async claim(mark: string): Promise<boolean> {
    if (!isUUID(mark)) return false;
    // Sessions last seven days, so an older form cannot be sent again.
    await this.dataSource.query(`DELETE FROM demo_sent_forms WHERE sent_at < now() - interval '14 days'`);
    const rows = await this.dataSource.query<unknown[]>(
      'INSERT INTO demo_sent_forms (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id',
      [mark],
    );
    return rows.length === 1;
  }
}
