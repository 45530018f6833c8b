import { Get, Headers } from '@nestjs/common';
import { OptionalAuth } from 'nestjs-sigra';
import { ApiDocument } from '../docs/api-document.js';
import { apiReference } from '../docs/api-reference.js';
import { inlineMarkdown } from '../docs/inline-markdown.js';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';

/**
 * The reference of the API, from the document under `/docs-json`. It is HTML from the server: it fits the other pages, works
 * without JavaScript, and needs no exception in the Content-Security-Policy, as the page of `SwaggerModule` would.
 */
@PageController('docs')
export class DocsController {
  constructor(private readonly document: ApiDocument) {}

  @Get()
  @OptionalAuth()
  show(@Headers('host') host = 'localhost'): View {
    const document = this.document.get();
    return view('docs', 'API', {
      intro: document.info.description ?? '',
      sections: apiReference(document, `http://${host}`),
      html: inlineMarkdown,
    });
  }
}
