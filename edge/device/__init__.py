"""What travels to a device: measures one model where it runs.

The benchmark copies this folder, under the name `device`, to the machine where a model is measured, and starts it with
`python -m device.runner`. That machine needs Python, numpy and ai-edge-litert, and nothing else of this project: this
folder imports nothing from outside itself. It reports what it finds as it finds it, such as LiteRT's list of ops or the
accelerator's log; `edge.targets.runner_session` makes of that what the benchmark's rows say.
"""
