// The session has ended: the sign-in page leads back here.
document.querySelector('sigra-tokens').addEventListener('sigra-unauthenticated', () => location.reload());
