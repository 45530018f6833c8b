const place = document.getElementById('swagger-ui');

// eslint-disable-next-line no-undef -- from swagger-ui-bundle.js, which the page loads before this file
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
