import {
  type ArgumentsHost,
  Catch,
  ForbiddenException,
  Injectable,
  NotFoundException,
  ServiceUnavailableException,
} from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { PageExceptionFilter } from './page-exception.filter.js';

/**
 * Answers browsers with a page where no page controller answers: an unknown address, a form from another site, or a
 * session that cannot be read.
 */
@Catch(NotFoundException, ForbiddenException, ServiceUnavailableException)
@Injectable()
export class BrowserErrorFilter extends BaseExceptionFilter {
  constructor(
    private readonly pages: PageExceptionFilter,
    adapterHost: HttpAdapterHost,
  ) {
    super(adapterHost.httpAdapter);
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    const { url, headers } = host.switchToHttp().getRequest<{ url: string; headers: { accept?: string } }>();
    const wantsPage = headers.accept?.includes('text/html') === true && !url.startsWith('/api/');
    if (wantsPage) this.pages.catch(error, host);
    else super.catch(error, host);
  }
}
