/** The way into the page: takes the token of the address, begins to follow the gateway, and shows it. */
import { render } from 'preact';
import { App } from './app.tsx';
import { begin } from './hub.ts';
import { takeTokenOfAddress } from './session.ts';

takeTokenOfAddress();
begin();
render(<App />, document.getElementById('page')!);
