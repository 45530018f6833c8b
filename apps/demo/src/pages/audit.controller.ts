import { Get, NotFoundException, Query, UseGuards } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { CurrentUser, SessionAuthGuard } from 'nestjs-sigra';
import type { User } from '../users/user.entity.js';
import { groupByDay, tokenIdsOf } from './activity.js';
import { textOf } from './form-fields.js';
import { OwnEventsService } from './own-events.service.js';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';
import { TokenLabelsService } from './token-labels.service.js';

const PAGE_SIZE = 25;
const DAY_MS = 24 * 60 * 60 * 1000;

@PageController('settings/audit')
@UseGuards(SessionAuthGuard)
export class AuditController {
  constructor(
    private readonly ownEvents: OwnEventsService,
    private readonly labels: TokenLabelsService,
  ) {}

  @Get()
  async list(@CurrentUser() user: User, @Query() query: Readonly<Record<string, unknown>>): Promise<View> {
    const filter = { token: textOf(query, 'token'), show: textOf(query, 'show'), until: textOf(query, 'until') };
    const cursor = textOf(query, 'cursor');
    const shown = {
      tokenId: await this.checkedToken(user, filter.token),
      refused: filter.show === 'refused',
      before: endOf(filter.until),
    };
    const { events, nextCursor } = await this.ownEvents.list(user, shown, PAGE_SIZE, cursor || undefined);
    const days = groupByDay(events, await this.labels.of(events.flatMap(tokenIdsOf)));
    const address = addressOf(filter);
    return view('audit', 'Activity', {
      days,
      filter,
      tokens: await this.labels.ofUser(user),
      isFiltered: address !== addressOf({}),
      newest: cursor && address,
      older: nextCursor && addressOf({ ...filter, cursor: nextCursor }),
    });
  }

  /** @throws NotFoundException for a token of another user, as for one that does not exist */
  private async checkedToken(user: User, id: string): Promise<string | undefined> {
    if (id === '') return undefined;
    if (isUUID(id) && (await this.labels.isOfUser(user, id))) return id;
    throw new NotFoundException('You have no such token.');
  }
}

/** The first moment after a day in UTC; undefined if it is not a day. */
function endOf(day: string): Date | undefined {
  const start = new Date(/^\d{4}-\d{2}-\d{2}$/.test(day) ? day : NaN);
  return Number.isNaN(start.getTime()) ? undefined : new Date(start.getTime() + DAY_MS);
}

/** The address of a page of events, without empty parameters. */
function addressOf(parameters: Readonly<Record<string, string>>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== '');
  return given.length > 0 ? `/settings/audit?${new URLSearchParams(given).toString()}` : '/settings/audit';
}
