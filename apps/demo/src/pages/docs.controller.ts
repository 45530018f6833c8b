import { Get } from '@nestjs/common';
import { OptionalAuth } from 'nestjs-sigra';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';

/**
 * Swagger UI over `/docs-json`, as a page like the others. The one that `SwaggerModule` brings has styles inline, which
 * would widen the Content-Security-Policy.
 */
@PageController('docs')
export class DocsController {
  @Get()
  @OptionalAuth()
  show(): View {
    return view('docs', 'API docs', {
      styles: ['swagger-ui.css'],
      scripts: ['swagger-ui-bundle.js', 'docs.js'],
    });
  }
}
