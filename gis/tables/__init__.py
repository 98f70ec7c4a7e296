"""Tables of the standards, each number once, with its clause and how sure we are of it.

Confidence, said in every module: *standard* (read in the standard itself), *transcribed* (read in somebody's
transcription of it), *reconstructed* (inferred, checked against real data), *known* (from general knowledge,
not checked). A list of classes is written as lines `code title | English title`; English titles are ours.
"""
