/** Adds an entry of any section by a form that is made from the schema of the file. */
import { useEffect, useState } from 'preact/hooks';
import { Failure, useOrder } from '../parts.tsx';
import { entryOf, type Kind, kindsOf, type Schema, type SchemaField } from '../schema-fields.ts';
import { ask } from '../session.ts';
import { Field, type FormProps, NAME, NAME_HINT } from './forms.tsx';

interface SchemaFormProps extends FormProps {
  /** Section of the file: `channels`. */
  readonly section: string;
}

/** An entry of a section. */
export function SchemaForm({ section, put, onRefused }: SchemaFormProps) {
  const [schema, setSchema] = useState<Schema>();
  const [title, choose] = useState('');
  const [name, setName] = useState('');
  const [typed, type] = useState<Readonly<Record<string, string>>>({});
  const { failed, give } = useOrder(onRefused);
  useEffect(() => {
    void give(async () => setSchema(await ask<Schema>('/api/v1/configuration/schema')));
  }, []);
  if (!schema) return <Failure>{failed}</Failure>;
  const kinds = kindsOf(schema, section);
  const kind = kinds.length === 1 ? kinds[0] : kinds.find((one) => one.title === title);
  const add = (event: Event): void => {
    event.preventDefault();
    if (kind) void put([section, name], entryOf(kind, typed));
  };
  const field = (one: SchemaField) => (
    <Field
      key={one.key}
      label={one.key}
      value={typed[one.key] ?? ''}
      set={(text) => type({ ...typed, [one.key]: text })}
      isOptional={!one.isRequired}
      hint={one.hint}
      {...(one.options && { options: one.options })}
      {...(one.pattern !== undefined && { pattern: one.pattern })}
    />
  );
  return (
    <form class="form" onSubmit={add}>
      {kinds.length > 1 && <Field label="Kind" value={title} set={choose} options={kinds.map((one) => one.title)} />}
      <Field label="Name" value={name} set={setName} pattern={NAME} hint={NAME_HINT} />
      {kind?.fields.filter(({ isRequired }) => isRequired).map(field)}
      {kind && (
        <details class="more">
          <summary>More settings</summary>
          <div class="form">{kind.fields.filter(({ isRequired }) => !isRequired).map(field)}</div>
        </details>
      )}
      {kind && kind.beyond.length > 0 && <Beyond kind={kind} />}
      <p class="orders">
        <button type="submit" disabled={!kind}>
          Put it into the file
        </button>
      </p>
    </form>
  );
}

/** What a form cannot give. */
function Beyond({ kind: { beyond } }: { readonly kind: Kind }) {
  return <p>It also needs {beyond.join(' and ')}: add that in the text, where the check says what is missing.</p>;
}
