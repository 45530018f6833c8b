import { Get, Query, UseGuards } from '@nestjs/common';
import { CurrentUser, SessionAuthGuard } from 'nestjs-sigra';
import type { User } from '../users/user.entity.js';
import { describeEvent, tokenIdsOf } from './event-sentence.js';
import { OwnEventsService } from './own-events.service.js';
import { OwnTokensService } from './own-tokens.service.js';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';

const PAGE_SIZE = 25;

@PageController('settings/audit')
@UseGuards(SessionAuthGuard)
export class AuditController {
  constructor(
    private readonly ownEvents: OwnEventsService,
    private readonly ownTokens: OwnTokensService,
  ) {}

  @Get()
  async list(@CurrentUser() user: User, @Query('cursor') cursor?: string): Promise<View> {
    const { events, nextCursor } = await this.ownEvents.list(user, PAGE_SIZE, cursor);
    const names = await this.ownTokens.namesOf(events.flatMap(tokenIdsOf));
    const rows = events.map((event) => ({
      ...describeEvent(event, names),
      at: event.occurredAt,
      ipAddress: event.ipAddress,
    }));
    return view('audit', 'Activity', { rows, cursor, nextCursor });
  }
}
