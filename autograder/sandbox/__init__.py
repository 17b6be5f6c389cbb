"""Where student code runs: a warm process, confined workers, and plain bytes between them and the grader.

    grader ──control socket──▶ zygote (torch imported, nothing else known) ──fork──▶ worker (confined, then the
    submission)
       └───────────────── request pipe, reply pipe, output pipe ────────────────────────┘

`confine` and `linux` say what a worker may do, `zygote` and `worker` are the untrusted side, `box` the trusted one,
`wire` what passes between them, `steps` what a worker can be asked, `folders` where it all lies, `users` as whom it
runs, `watch` what it uses meanwhile. What runs in the worker imports nothing else of Deepgrade; `confine`, `folders`
and `users` do without torch.
"""
