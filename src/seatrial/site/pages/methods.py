"""The statistics that figures on this site rest on, explained for a reader: what each answers, how, and by whose work.

Texts only; `stats/` computes. Every worked example is computed again by a test, so that what is said here is what is
done there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Method:
    """One statistic. `anchor` is its place on the page; `used_for` says which figures rest on it, `how` is paragraphs.

    `example` is worked, `source` names the literature, `code` the module that computes it.
    """

    anchor: str
    name: str
    used_for: str
    how: tuple[str, ...]
    example: str
    source: str
    code: str


METHODS = (
    Method(
        anchor="wilson",
        name="Wilson’s interval for a rate",
        used_for="Quality where answers are right or wrong and items stand alone; failure rates; shares of votes.",
        how=(
            "A rate seen on n items is one draw; another n items would give another rate. Wilson’s interval holds "
            "all true rates under which what was seen would not be surprising. Unlike the textbook “plus or minus "
            "two standard errors” it never leaves the range from 0 to 100% and does not shrink to nothing at 0 or n "
            "successes.",
        ),
        example="8 of 10 right: 80%, from 49.0% to 94.3%. 0 of 10: 0%, up to 27.8%.",
        source="Wilson 1927, JASA 22; recommended by Brown, Cai and DasGupta 2001, Statistical Science 16.",
        code="stats/intervals.py",
    ),
    Method(
        anchor="gaffke",
        name="Gaffke’s bound for a mean of scores",
        used_for="Quality where scores lie between 0 and 1 or items share a source; every paired difference.",
        how=(
            "Student’s t trusts the spread it has seen. Thirty items on which two candidates agree have a spread of "
            "zero, and that is no proof that they always agree. Since scores have bounds, the worst that unseen "
            "items could do is known: one item that went as badly as an item can is added, and all items are weighed "
            "at random (the flat Dirichlet distribution). The end of the interval is a quantile of that weighted "
            "mean.",
            "For right and wrong answers it is the exact interval of Clopper and Pearson; for differences of −1, 0 "
            "and 1 tested against 0 it is the exact test of McNemar; for values all equal it is the rule of three. "
            "That it covers for every distribution is conjectured; no counterexample is known.",
        ),
        example="20 scores of 1: 100%, from 83.2% to 100%. 100 differences of 0: ±3.6 points, not ±0.",
        source="Gaffke 2005; Learned-Miller and Thomas 2019, arXiv 1905.06208.",
        code="stats/bounded.py",
    ),
    Method(
        anchor="student",
        name="Student’s t and the bootstrap-t",
        used_for="Means without known bounds: tokens, seconds, US dollars.",
        how=(
            "Student’s interval is the mean plus or minus t standard errors, with t wider where there are few values.",
            "Costs are skewed: many small, a few large. Where there are between 10 and 50 groups of items, t itself "
            "is learned from the data: groups are drawn again with replacement 1,999 times, each draw gives a t, and "
            "its quantiles set the ends of the interval, each its own. A draw without spread means that there is too "
            "little to learn from, and Student’s t stands in.",
        ),
        example="Values 1, 2, 3, 4: mean 2.5, standard error 0.645, t 3.18 with 3 degrees of freedom: 0.446 to 4.554.",
        source="Student 1908; Hall 1988; over clusters, Cameron, Gelbach and Miller 2008, §III.",
        code="stats/student.py, stats/bootstrap.py",
    ),
    Method(
        anchor="clusters",
        name="Clusters, and Kish’s effective number",
        used_for="Every interval where items share a source: one customer’s mails, one document’s questions.",
        how=(
            "Ten questions on one document are not ten independent items: who stumbles over one stumbles over the "
            "next. The standard error is taken over sources, not items.",
            "Where one source outweighs the rest, it counts for fewer: n² over the sum of squared sizes is the "
            "number of equal sources that would be worth as much (Kish). Degrees of freedom follow from it. Below "
            "two such sources there is not enough data.",
        ),
        example="Scores 1, 1, 0, 0 from sources a, a, b, b: standard error 0.5, where independent items would give "
        "0.289.",
        source="Miller 2024, arXiv 2411.00640; Kish 1965; Liang and Zeger 1986.",
        code="stats/sample.py",
    ),
    Method(
        anchor="paired",
        name="Paired differences",
        used_for="Every statement that one candidate is better than another.",
        how=(
            "Both candidates answer the same items, and the difference is taken item by item. What makes an item "
            "hard for both cancels, so that far fewer items tell two candidates apart than two separate averages "
            "would need.",
            "Two intervals that overlap say nothing about a difference; the interval of the difference does.",
        ),
        example="On 30 items one alone is right 7 times, the other alone once. Difference 20 points, from −1.5 to "
        "40.3, p = 0.070: not yet a difference. (Student’s t would have said p = 0.031.)",
        source="Miller 2024, arXiv 2411.00640, “paired analysis”; McNemar 1947.",
        code="stats/paired.py",
    ),
    Method(
        anchor="non-inferiority",
        name="Non-inferiority: is the cheap one good enough?",
        used_for="“Good enough” in a verdict: at most the margin worse, 3 points unless said otherwise.",
        how=(
            "That no difference was found is not evidence that there is none. So the question is turned round: how "
            "much worse could it be? If the whole interval of the difference lies above minus the margin, the "
            "candidate is good enough; if it lies below, it is not; if the margin is inside, nobody can tell yet, "
            "and the verdict says so.",
            "Each answer is a one-sided test at 2.5%, the level asked of trials of medicines. Where it must hold on "
            "every workload at once, no correction is needed.",
        ),
        example="Margin 3 points. 80 items all alike: the interval reaches −4.5 points, cannot tell yet. 160 items "
        "all alike: −2.3 points, good enough.",
        source="ICH E9, §3.3.2 and §3.5; Berger 1982 on several tests that must all hold.",
        code="stats/paired.py",
    ),
    Method(
        anchor="holm",
        name="Holm’s correction for several tests",
        used_for="“Better than” over several workloads.",
        how=(
            "Twenty comparisons of equals give one significant difference at 5% by luck alone. Holm multiplies the "
            "smallest p-value by the number of tests, the next by one fewer, and so on, never letting one fall below "
            "the one before. Then a false claim anywhere among them is as rare as a single test’s.",
        ),
        example="p-values 0.01, 0.04 and 0.03 become 0.03, 0.06 and 0.06.",
        source="Holm 1979, Scandinavian Journal of Statistics 6.",
        code="stats/multiplicity.py",
    ),
    Method(
        anchor="quantiles",
        name="Quantiles and their intervals",
        used_for="Latency: the median, the 95th and the 99th percentile of whole answers.",
        how=(
            "Latencies have no tidy shape, so none is assumed. How many of n answers fall below the true 95th "
            "percentile follows the binomial distribution whatever the shape; it names the two answers, by rank, "
            "between which the percentile lies. Failures have no latency and are counted elsewhere.",
        ),
        example="The median of 10 answers lies between the 2nd and the 9th. At 95% the median needs 6 answers, the "
        "95th percentile 72, the 99th 368; below that the page says “not enough data”.",
        source="David and Nagaraja 2003, Order Statistics, §7.1.",
        code="stats/quantiles.py",
    ),
    Method(
        anchor="items-needed",
        name="How many more items would settle it",
        used_for="Undecided verdicts.",
        how=(
            "From the spread of the differences seen so far, and with one disagreement more than was seen, follows "
            "how many items show the gap in question with a probability of 80%. Where the difference itself sits on "
            "the margin, no number would, and the verdict says that.",
        ),
        example="30 items, all differences zero, margin 3 points: 376 items in all.",
        source="Miller 2024, arXiv 2411.00640, “power analysis”.",
        code="stats/sample_size.py",
    ),
    Method(
        anchor="votes",
        name="Shares of votes",
        used_for="The community’s share, shown from 20 voters on.",
        how=(
            "A vote weighs a quarter; a tenth within an hour of the voter’s first; all of it once an e-mail address "
            "is confirmed, one voter to an address. The share is of weight. Votes of different weight are worth "
            "fewer equal ones: the squared sum of weights over the sum of squared weights (Kish). Wilson’s interval "
            "is taken at that number.",
            "Below 20 voters no percentage is shown, only how many there are. Visitors are no random sample of "
            "anybody: the interval speaks of chance, not of who comes here.",
        ),
        example="20 confirmed voters, 15 for ship: 75%, from 53.1% to 88.8%. The same with half of them unconfirmed, "
        "in equal parts on either side, counts like 14.7 votes.",
        source="Kish 1965, Survey Sampling; Wilson 1927.",
        code="site/votes/opinion.py",
    ),
    Method(
        anchor="bradley-terry",
        name="Ranks from blind votes: Bradley and Terry",
        used_for="The ranking of a run’s candidates by readers who saw two answers without their names.",
        how=(
            "Each candidate has a strength; the chance that one is preferred to another is its strength over the sum "
            "of both, and a tie counts as half a win for each. The strengths that make the votes likeliest are found "
            "by Hunter’s iteration. What is shown is the chance against an average candidate.",
            "One reader’s votes belong together, so intervals are taken over readers, not votes. Ranks are given as "
            "a range that holds for all candidates at once. Where candidates were never compared with the rest, or "
            "never lost to it, no strength can be given, and none is.",
        ),
        example="One is preferred to the other in 30 of 40 votes by 40 readers: 63.4% against the average of the two.",
        source="Bradley and Terry 1952, Biometrika 39; Hunter 2004, Annals of Statistics 32; Liang and Zeger 1986.",
        code="stats/pairwise.py",
    ),
    Method(
        anchor="anomalies",
        name="Votes that look unlike the rest",
        used_for="Checks that operators run; they change no vote by themselves.",
        how=(
            "Networks and stretches of ten minutes are held against all other votes by Fisher’s exact test, voters "
            "who said the same of the same subjects against what agreement alone explains, all corrected by Holm. A "
            "finding is a reason to look: people of one office may well agree.",
            "Each tally is also computed without each voter and each network in turn; if one of them alone moves it, "
            "that shows.",
            "Every vote is a line of a log, and each line carries the hash of the line before. A vote changed or "
            "removed afterwards breaks the chain at that line (seatrial votes verify).",
        ),
        example="Looked at are networks of 5 votes or more with 20 others beside them; reported is what chance would "
        "give less than once in a thousand looks.",
        source="Fisher 1935; Holm 1979; Iglewicz and Hoaglin 1993, §3.3, for networks that vote far more than others.",
        code="site/votes/anomaly.py, site/votes/sensitivity.py, site/votes/chain.py",
    ),
)
