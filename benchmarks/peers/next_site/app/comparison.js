// A comparison page in React: the sections of ours, out of the same document.
const Spans = ({ spans }) =>
  spans.map((span, index) => (
    <span key={index}>
      {span.text}
      {(span.evidence ?? []).map((id) => (
        <sup key={id}>
          <a href={`#e-${id}`}>*</a>
        </sup>
      ))}
    </span>
  ));

const percent = (value) => (value == null ? "—" : `${Math.round(100 * value)}%`);
const usd = (value) => (value == null ? "—" : `$${value.toPrecision(3)}`);

const Card = ({ card, panel, community }) => (
  <article className="card">
    <p>{card.category}</p>
    <h3>{card.name}</h3>
    <p>{card.tagline}</p>
    <dl>
      <dt>Panel</dt>
      <dd>{panel?.ship_pct == null ? "—" : `${Math.round(panel.ship_pct)}%`}</dd>
      <dt>Community</dt>
      <dd>{percent(community?.shares?.ship?.value)}</dd>
      <dt>Entry</dt>
      <dd>{card.entry}</dd>
    </dl>
    <p>{card.description}</p>
    {(card.notices ?? []).map((notice, index) => (
      <p role="note" key={index}>
        <Spans spans={notice} />
      </p>
    ))}
    <dl>
      {(card.facts ?? []).map((fact) => (
        <div key={fact.label}>
          <dt>{fact.label}</dt>
          <dd>
            <Spans spans={fact.values} />
          </dd>
        </div>
      ))}
    </dl>
    <form method="post" action="/votes">
      <input type="hidden" name="subject" value={`model:${card.id}`} />
      <button name="choice" value="ship">Ship</button>
      <button name="choice" value="skip">Skip</button>
    </form>
  </article>
);

const Ballot = ({ ballot }) => (
  <li>
    <h4>
      {ballot.reviewer}: {ballot.vote} {ballot.candidate}
    </h4>
    <p>
      <Spans spans={ballot.spans} />
    </p>
    <ul>
      {ballot.criteria.map((criterion) => (
        <li key={criterion.name}>
          {criterion.outcome}: {criterion.question} <Spans spans={criterion.finding} />
        </li>
      ))}
    </ul>
  </li>
);

const Table = ({ head, rows }) => (
  <table>
    <thead>
      <tr>
        {head.map((cell) => (
          <th key={cell}>{cell}</th>
        ))}
      </tr>
    </thead>
    <tbody>
      {rows.map((row, index) => (
        <tr key={index}>
          {row.map((cell, column) => (
            <td key={column}>{cell}</td>
          ))}
        </tr>
      ))}
    </tbody>
  </table>
);

const Item = ({ item }) => (
  <li>
    <h4>
      {item.workload}, {item.item}
    </h4>
    <pre>{item.input}</pre>
    <pre>{JSON.stringify(item.expected)}</pre>
    {item.answers.map((answer) => (
      <div key={answer.candidate}>
        <h5>
          {answer.candidate}: {percent(answer.score)}
        </h5>
        <pre>{answer.text ?? answer.failure}</pre>
      </div>
    ))}
  </li>
);

const number = (value) => (typeof value === "number" ? value.toPrecision(3) : String(value ?? "not enough data"));

export function Comparison({ data }) {
  const { verdict: document, community } = data;
  return (
    <main>
      <h1>{data.title}</h1>
      <p>
        <Spans spans={document.verdict.spans} />
      </p>
      <ul>
        {document.verdict.reasons.map((reason, index) => (
          <li key={index}>
            <Spans spans={reason} />
          </li>
        ))}
      </ul>
      <section>
        {document.candidates.map((card) => (
          <Card key={card.id} card={card} panel={document.panel[card.id]} community={community.models[card.id]} />
        ))}
      </section>
      <h2>Scorecard</h2>
      <ul>
        {document.ballots.map((ballot) => (
          <Ballot key={`${ballot.reviewer} ${ballot.candidate}`} ballot={ballot} />
        ))}
      </ul>
      <h2>Pricing</h2>
      <Table
        head={["candidate", "workload", "cost of 1,000 tasks", "basis"]}
        rows={document.pricing.rows.map((row) => [row.candidate, row.workload ?? "all", usd(row.cost_per_1k_usd), row.basis])}
      />
      {document.pricing.break_even.map((each, index) => (
        <p key={index}>
          <Spans spans={each.text} />
        </p>
      ))}
      {Object.entries(document.pricing.price_history).map(([candidate, points]) => (
        <Table
          key={candidate}
          head={[candidate, "input", "output"]}
          rows={points.map((point) => [point.valid_from ?? "since release", usd(point.input_usd), usd(point.output_usd)])}
        />
      ))}
      <h2>Measured</h2>
      <Table
        head={["candidate", "what", "workload", "value", "interval", "n"]}
        rows={document.claims.map((claim) => [
          claim.candidate,
          claim.key,
          claim.workload ?? "all",
          number(claim.value),
          claim.low == null ? "" : `${number(claim.low)} to ${number(claim.high)}`,
          claim.n ?? "",
        ])}
      />
      <h2>Items on which they differ</h2>
      <ul>
        {document.item_differences.map((item) => (
          <Item key={`${item.workload} ${item.item}`} item={item} />
        ))}
      </ul>
      <h2>Claims checked</h2>
      <ul>
        {document.marketing.map((line, index) => (
          <li key={index}>
            {line.status}: {line.line} <Spans spans={line.finding} />
          </li>
        ))}
      </ul>
      <h2>Published scores</h2>
      <Table
        head={["benchmark", "variant", "scores"]}
        rows={document.published_scores.map((row) => [
          row.benchmark,
          row.variant,
          Object.entries(row.scores).map(([who, spans]) => (
            <span key={who}>
              {who} <Spans spans={spans} />{" "}
            </span>
          )),
        ])}
      />
      <h2>Evidence</h2>
      <ol>
        {document.evidence.map((piece) => (
          <li key={piece.id} id={`e-${piece.id}`}>
            {piece.text} {piece.url ? <a href={piece.url}>{piece.source}</a> : piece.source}
          </li>
        ))}
      </ol>
      <pre>{document.run.repeat}</pre>
    </main>
  );
}
