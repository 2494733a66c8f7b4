/** Logging in with a token, and out again. */
import { useState } from 'preact/hooks';
import { tokenChanged } from '../hub.ts';
import { Dialog } from '../parts.tsx';
import { keepToken, tokenNow } from '../session.ts';

/** The window in which a token is given. */
export function LogIn({ onClose }: { readonly onClose: () => void }) {
  const [text, setText] = useState('');
  const [isKept, keep] = useState(false);
  const isToken = /^mg_[0-9a-f]{8}_[\w-]{43}$/.test(text.trim());
  const use = (token: string | undefined): void => {
    keepToken(token, isKept);
    tokenChanged();
    onClose();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    if (isToken) use(text.trim());
  };
  return (
    <Dialog title="Log in" onClose={onClose}>
      <form onSubmit={submit}>
        <p>
          Changes need a token. Made on the gateway: <code>millgate token create --role technician NAME</code>
        </p>
        <p>
          <label>
            Token{' '}
            <input
              type="password"
              autocomplete="off"
              value={text}
              aria-invalid={text !== '' && !isToken}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </label>
        </p>
        <p>
          <label>
            <input type="checkbox" checked={isKept} onInput={(event) => keep(event.currentTarget.checked)} /> Keep it on
            this device
          </label>
        </p>
        <button type="submit" disabled={!isToken}>
          Log in
        </button>{' '}
        {tokenNow() !== undefined && (
          <button type="button" class="quiet" onClick={() => use(undefined)}>
            Log out
          </button>
        )}
      </form>
    </Dialog>
  );
}
