"""What single cells of the tables say."""

NOT_MEASURED = "This was not measured yet.\n"


def threads_cell(times, digits=1):
    """Return the latencies of {number of threads: ms} in one cell."""
    return " / ".join(f"{time:.{digits}f}" for _, time in sorted(times.items()))


def percent_cell(result):
    """Return the mIoU of a card, which has none on a split that was trained on."""
    return f"{100 * result['miou']:.1f}" if result else "trained on"


def accuracy_cell(result):
    """Return the mIoU of a row, and in brackets the share of labels equal to the float network's, where known."""
    if result is None:
        return ""
    # Over the classes of the ground truth: on a few images, one pixel of another class would weigh as much as a class.
    cell = f"{100 * result['miou_present']:.2f}"
    return cell if result["agreement"] is None else f"{cell} ({100 * result['agreement']:.2f} %)"


def epochs_cell(training):
    """Return the epochs, of a training that was stopped with those that it was to have."""
    done, planned = training["epochs"], training["epochs_planned"]
    return str(done) if done == planned else f"{done} of {planned}"


def val_cell(training):
    """Return the best mIoU on the validation split, which says nothing where that was trained on."""
    return "trained on" if training["train_split"] == "trainval" else f"{100 * training['best_val_miou']:.1f}"
