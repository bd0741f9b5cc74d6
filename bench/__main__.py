"""Every measurement with its defaults: ``make bench``."""

from bench import answers, filters, ingest, retrieval, start, swaps, verdicts

retrieval.main(retrieval.SMALL_SETS)
answers.main(answers.DEFAULT_SETS)
ingest.main(ingest.DEFAULT_SETS)
swaps.main()
filters.main()
verdicts.main()
start.main()
